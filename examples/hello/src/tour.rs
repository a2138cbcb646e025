use anyhow::Context as _;
use due::{Audience, Backends, Client, Cluster, PushExt as _};
use hello::v1::{Announcement, GreetRequest, GreeterClient, MannersClient, PhraseRequest};

use crate::say;

/// Everything once: the generated client over every transport, a push, and a call to the mesh.
pub(crate) async fn visit(backends: &Backends, urls: &[String]) -> anyhow::Result<()> {
    let cluster = Cluster::connect(backends).await?;
    for url in urls {
        let client = Client::builder().codec(cluster.codec().clone()).connect(url).await?;
        say(&format!("connected to {url}"));

        let greeter = GreeterClient::new(client.clone());
        let response = greeter.greet(GreetRequest { name: "due".to_owned() }).await?;
        say(&format!("  route 1, Greet: code {}, {:?}", response.code, response.message));

        let mut announcements = client.pushes::<Announcement>();
        let tally = Announcement { text: format!("{url} was greeted") }.broadcast(&cluster, Audience::Sessions).await?;
        anyhow::ensure!(tally.delivered > 0, "{url} is not one of the gates that are found here");
        let announcement = announcements.next().await.context("the connection ended")??;
        say(&format!("  push 2, Announcement: {:?}, told to {}", announcement.text, sessions(tally.delivered)));

        client.close().await;
    }

    let manners = MannersClient::connect(backends, "discovery://manners").await?;
    let phrase = manners.phrase(PhraseRequest { hour: 9 }).await?.into_inner().phrase;
    say(&format!("mesh discovery://manners, Phrase at nine: {phrase:?}"));
    Ok(())
}

fn sessions(count: u64) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") }
}
