//! The node under attack, and the honest people who publish at it.

use comity_protocol::entry::Entry;
use comity_tests::{
    community::{Community, topic},
    nodes::TestNode,
};
use std::{
    fs,
    io::{self, BufRead},
    time::{Duration, Instant},
};

/// Name of the community, which attackers know.
pub(crate) const COMMUNITY: &str = "Floods";
/// Contributions signed in advance, so that signing is not measured.
const SIGNED: usize = 4_000;

pub(crate) fn run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let node = TestNode::start_with(true).await;
        let mut community = Community::found(COMMUNITY, &[node.node.key()]);
        node.take_part(&community).await;
        let id = community.id;
        let public = community.space("public");
        let mut sign = |count: usize| -> Vec<Entry> {
            let device = &mut community.delegate.device;
            (0..count)
                .map(|n| device.create(public, &topic(&format!("Post {n}"), "As always.")))
                .collect()
        };
        let mut entries = sign(SIGNED);
        entries.reverse();
        println!("{} {}", node.address().await, node.node.key());
        for line in io::stdin().lock().lines() {
            let line = line.unwrap();
            let seconds: u64 = line.split_once(' ').unwrap().1.parse().unwrap();
            let began = Instant::now();
            let (mut published, mut signing) = (0_u32, Duration::ZERO);
            while began.elapsed() < Duration::from_secs(seconds) + signing {
                if entries.is_empty() {
                    let then = Instant::now();
                    entries = sign(SIGNED);
                    entries.reverse();
                    signing += then.elapsed();
                }
                let entry = entries.pop().unwrap();
                node.submit(id, std::slice::from_ref(&entry)).await;
                published += 1;
            }
            let took = (began.elapsed() - signing).as_secs_f64();
            let doctor = node.client.doctor().await.unwrap();
            let answer = serde_json::json!({
                "rate": f64::from(published) / took,
                "rss_mib": peak_mib(),
                "kept_out": doctor.kept_out.len(),
            });
            println!("{answer}");
        }
    });
}

/// The largest resident set of this process so far, in MiB.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib / 1024.0
}
