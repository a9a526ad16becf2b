//! How the first snapshot's time divides among the stages: a model, which says what it does not explain.

use super::report::{Model, Share, Stage, Step};

/// Where less than this is explained, no stage is named as what bounds.
const EXPLAINED_MIN: f64 = 0.5;
/// Where the cores were busy for less than this part of the time, waiting bounds.
const BUSY_MIN: f64 = 0.6;

/// Which of a step's bytes pass a stage.
type Passing = fn(&Step) -> u64;

/// The stages that a first snapshot passes.
const PASSES: &[(&str, Passing)] = &[
    ("read", |step| step.bytes_read),
    ("cut", |step| step.bytes_read),
    ("hash", |step| step.bytes_read),
    ("look up, new", |step| step.bytes_read),
    ("compress", |step| step.bytes_new),
    ("seal", |step| step.bytes_stored),
    ("write", |step| step.bytes_stored),
];

/// Stages that only compute.
const COMPUTING: &[&str] = &["cut", "hash", "delta", "compress", "seal", "open", "decompress", "apply deltas", "check"];

/// How much longer than its processor time computing took, by one thread: other work on the machine takes it.
pub fn disturbed(stages: &[Stage]) -> f64 {
    let computing = || stages.iter().filter(|stage| COMPUTING.contains(&stage.name)).map(|stage| stage.one_core);
    let cpu_s: f64 = computing().map(|speed| speed.cpu_s).sum();
    let wall_s: f64 = computing().map(|speed| speed.wall_s).sum();
    if cpu_s > 0.0 { wall_s / cpu_s } else { 1.0 }
}

/// Divides a first snapshot's processor time by the stages' costs for a byte, by one thread.
pub fn model(stages: &[Stage], first: &Step, cores: usize) -> Model {
    let cpu_s = first.speed.cpu_s;
    let of_all = |part: f64| if cpu_s > 0.0 { part / cpu_s } else { 0.0 };
    let share = |(name, passing): &(&'static str, Passing)| {
        let stage = stages.iter().find(|stage| stage.name == *name)?;
        let bytes = passing(first);
        let stage_cpu_s = stage.one_core.cpu_s / stage.bytes.max(1) as f64 * bytes as f64;
        Some(Share { stage: stage.name, bytes, cpu_s: stage_cpu_s, share: of_all(stage_cpu_s) })
    };
    let shares: Vec<Share> = PASSES.iter().filter_map(share).collect();
    let explained: f64 = shares.iter().map(|share| share.cpu_s).sum();
    let cores_busy = match first.speed.wall_s * cores as f64 {
        0.0 => 0.0,
        all => (cpu_s / all).min(1.0),
    };
    let greatest = shares.iter().max_by(|a, b| a.share.total_cmp(&b.share));
    let bound_by = greatest.filter(|_| of_all(explained) >= EXPLAINED_MIN).map(|share| share.stage);
    let sentence = sentence(greatest.filter(|_| bound_by.is_some()), of_all(explained), cores_busy);
    Model {
        cpu_s,
        unexplained_s: cpu_s - explained,
        unexplained_share: of_all(cpu_s - explained),
        cores_busy,
        bound_by,
        sentence,
        shares,
    }
}

fn sentence(greatest: Option<&Share>, explained: f64, cores_busy: f64) -> String {
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    let bound = match greatest {
        Some(share) => format!("{}: {} of the CPU time", share.stage, percent(share.share)),
        None => format!("what surrounds the stages: they explain {} of the CPU time", percent(explained)),
    };
    match cores_busy < BUSY_MIN {
        true => format!(
            "{bound}; but the cores were busy {} of the time, the rest is waiting, for storage or for a core",
            percent(cores_busy)
        ),
        false => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Direction, Speed};
    use super::*;

    fn stage(name: &'static str, bytes: u64, cpu_s: f64) -> Stage {
        let one_core = Speed { wall_s: cpu_s, cpu_s, mb_per_s: 0.0 };
        let direction = Direction::There;
        Stage { name, direction, what: "", bytes, bytes_out: None, items: 1, one_core, all_cores: None }
    }

    fn first(wall_s: f64, cpu_s: f64) -> Step {
        let speed = Speed { wall_s, cpu_s, mb_per_s: 0.0 };
        Step { name: "first_snapshot", bytes: 1000, bytes_read: 1000, bytes_new: 500, bytes_stored: 100, speed }
    }

    #[test]
    fn a_stage_costs_what_it_costs_for_a_byte_times_its_bytes() {
        let stages = [stage("read", 100, 0.1), stage("compress", 100, 1.0), stage("delta", 100, 9.0)];
        let model = model(&stages, &first(5.0, 10.0), 2);
        assert_eq!(model.shares.iter().map(|share| share.cpu_s).collect::<Vec<_>>(), [1.0, 5.0]);
        assert_eq!((model.unexplained_s, model.unexplained_share, model.cores_busy), (4.0, 0.4, 1.0));
        assert_eq!(model.bound_by, Some("compress"));
        assert_eq!(model.sentence, "compress: 50 % of the CPU time");
    }

    #[test]
    fn computing_that_waits_was_disturbed() {
        let mut stages = [stage("read", 100, 7.0), stage("hash", 100, 1.0), stage("compress", 100, 2.0)];
        assert_eq!(disturbed(&stages), 1.0);
        stages[2].one_core.wall_s = 5.0;
        assert_eq!((disturbed(&stages), disturbed(&[])), (2.0, 1.0));
    }

    #[test]
    fn what_is_not_explained_is_said() {
        let waiting = model(&[stage("compress", 100, 1.0)], &first(50.0, 10.0), 2);
        assert_eq!(
            waiting.sentence,
            "compress: 50 % of the CPU time; but the cores were busy 10 % of the time, the rest is waiting, for storage or for a core"
        );
        let unknown = model(&[stage("read", 100, 0.1)], &first(5.0, 10.0), 2);
        assert_eq!(
            (unknown.bound_by, unknown.sentence.as_str()),
            (None, "what surrounds the stages: they explain 10 % of the CPU time")
        );
        let too_much = model(&[stage("compress", 100, 4.0)], &first(5.0, 10.0), 2);
        assert_eq!(too_much.unexplained_s, -10.0);
        let nothing = model(&[], &first(0.0, 0.0), 2);
        assert!(nothing.unexplained_share == 0.0 && nothing.cores_busy == 0.0 && nothing.bound_by.is_none());
    }
}
