//! What may be mounted, and that every element is reached.

#![deny(warnings)]

use due::Routes;

mod handlers {
    use due::{Context, Result};

    #[due::route(1)]
    pub async fn greet(_: &mut Context, name: String) -> Result<String> {
        Ok(name)
    }

    pub mod account {
        use super::*;

        #[due::route(2, authorized)]
        pub(crate) async fn login(_: &mut Context, name: String) -> Result<String> {
            Ok(name)
        }
    }
}

mod facade {
    pub use crate::handlers::greet as hello;
}

use handlers::account::{self, login};

fn table() -> impl Routes {
    #[due::route(3)]
    async fn local(_: &mut due::Context, name: String) -> due::Result<String> {
        Ok(name)
    }
    due::routes![handlers::greet, login, local]
}

fn main() {
    let table = table();
    let ids = table.specs().iter().map(|spec| spec.id.0).collect::<Vec<_>>();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(table.node(), None);
    assert!((0..3).all(|index| table.supports(index, &due::Codec::Json).is_ok()));

    assert_eq!(due::routes![crate::handlers::account::login,].specs()[0].method, "login");
    assert_eq!(due::routes![account::login, facade::hello].specs().len(), 2);
    assert_eq!(due::routes![].specs().len(), 0);
    let _ = handlers::greet;
}
