//! `lobby` as its users run it: one suite, in one process on memory, and as a fleet on redis and consul or etcd; and what
//! happens to a fleet when its parts end.

#![cfg(unix)]

mod fleet;
mod golden;
mod player;
mod process;
mod stories;
mod support;
mod wallet;
mod world;

use support::Etcd;
use world::{Registry, World};

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_one_process() {
    let world = World::in_one_process();
    golden::frames(&world, "ws://").await;
    stories::all(&world).await;
    let mut world = world;
    let lobby = world.take("lobby");
    lobby.signal("TERM");
    lobby.ended_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frames_of_2023_in_the_sized_dialect() {
    golden::frames(&World::in_one_process(), "tcp://").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_as_a_fleet() {
    let world = World::as_a_fleet().await;
    golden::frames(&world, "tcp://").await;
    stories::all(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_as_a_fleet_on_etcd() {
    let world = World::on(Registry::Etcd(Etcd::start())).await;
    golden::frames(&world, "ws://").await;
    stories::all(&world).await;
}
