//! A client says what schema it was generated from to gates that do not know what that is.

use std::time::{Duration, Instant};

use due::codec::RawBody;
use due::codegen::Schema;
use due::{Client, Codec, RouteId, Skew};

use crate::on_both;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE};

const PATIENCE: Duration = Duration::from_millis(700);

on_both!(a_gate_of_go_drops_the_question_and_answers_everything_else);

async fn a_gate_of_go_drops_the_question_and_answers_everything_else(place: Place) {
    let fleet = Fleet::start(place).await;
    let schema = Schema::generated(7, b"\x01\x00\x00", "");
    // Ours is told no schema, and says so as far as it says anything.
    for gid in [GO_GATE, RUST_GATE] {
        let client = Client::builder().codec(Codec::Json).schema(schema).skew_timeout(PATIENCE);
        let begun = Instant::now();
        let client = client.connect(fleet.url(gid)).await.unwrap();
        for _ in 0..20 {
            let RawBody(answer) = client.request(RouteId(1), &RawBody(b"hi"[..].into())).await.unwrap();
            assert_eq!(answer, "hi");
        }
        assert_eq!(client.skew().await, Skew::Unknown);
        if gid == GO_GATE {
            assert!(begun.elapsed() >= PATIENCE, "nothing was answered: {:?}", begun.elapsed());
        }
        let RawBody(answer) = client.request(RouteId(1), &RawBody(b"still"[..].into())).await.unwrap();
        assert_eq!(answer, "still");
        client.close().await;
    }
}
