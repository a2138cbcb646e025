//! Fleets: gates and nodes in processes of their own on a real redis, etcd or consul; parts of them are restarted and killed
//! while players count what becomes of every request.

mod burdens;
#[path = "../support/firewall.rs"]
mod firewall;
#[path = "../support/fleet.rs"]
mod fleet;
mod gates;
#[path = "../support/load.rs"]
mod load;
mod nodes;
mod outages;
mod partition;
#[path = "../support/mod.rs"]
mod support;
mod together;
mod world;

use libtest_mimic::{Arguments, Trial};

use fleet::Orders;

fn main() {
    if let Some((orders, folder)) = Orders::given() {
        return orders.serve(&folder);
    }
    let arguments = Arguments::from_args();
    let stories = [
        nodes::stories(),
        gates::stories(),
        outages::stories(),
        partition::stories(),
        burdens::stories(),
        together::stories(),
    ];
    libtest_mimic::run(&arguments, stories.into_iter().flatten().collect()).exit();
}

/// One story by its name.
fn story<F: Future<Output = ()> + 'static>(name: &str, story: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(story());
        Ok(())
    })
}
