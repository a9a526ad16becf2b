//! Longer runs, whose numbers stand in docs/sources/REDIS.md.

use crate::load::snapshots_under_load;
use crate::server::is_there;

#[test]
#[ignore = "long: twenty snapshots under load, each restored and looked at"]
fn twenty_snapshots_under_load() {
    if is_there("twenty_snapshots") {
        println!("{} transfers while twenty snapshots were taken and restored", snapshots_under_load(20));
    }
}
