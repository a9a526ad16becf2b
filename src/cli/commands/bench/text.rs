//! What was measured, as tables.

use snaphold::bench::{BenchReport, DataReport, Direction, Model, Speed, Stage, Step, ToolReport};

use crate::cli::table::{Side, Table, count, fields, printable, size};

/// All of it.
pub fn report(report: &BenchReport) -> String {
    let mut text = fields(&[
        ("data", data(&report.data)),
        ("cores", report.cores.to_string()),
        ("stages", format!("each alone, on {} of it; MB are 10^6 bytes", size(report.stage_bytes))),
    ]);
    if let Some(warning) = disturbed(report) {
        text.push_str(&format!("note    {warning}\n"));
    }
    text.push('\n');
    text.push_str(&stages(&report.stages));
    text.push('\n');
    text.push_str(&whole(&report.whole));
    text.push('\n');
    text.push_str(&model(&report.model));
    if !report.against.is_empty() {
        text.push('\n');
        text.push_str(&against(&report.against));
    }
    for skipped in &report.skipped {
        text.push_str(&format!("skipped: {}: {}\n", spaced(&skipped.what), printable(&skipped.why)));
    }
    text
}

/// What was measured on, in a line.
pub fn data(data: &DataReport) -> String {
    let what = match &data.folder {
        None => "made here: text, pages, random and small files".to_string(),
        Some(folder) => folder.clone(),
    };
    let used = format!("{} in {} files", size(data.bytes), count(data.files));
    let of = match data.is_sample {
        true => format!(", evenly out of {} in {} files", size(data.bytes_found), count(data.files_found)),
        false => String::new(),
    };
    let place = if data.in_place { ", read where it is" } else { "" };
    let unreadable = match data.unreadable {
        0 => String::new(),
        unreadable => format!("; {} could not be read", count(unreadable)),
    };
    format!("{what}: {used}{of}{place}{unreadable}")
}

/// From here on other work counts as a disturbance.
const DISTURBED: f64 = 1.2;

/// Whether the times say as much about what else the machine did.
pub fn disturbed(report: &BenchReport) -> Option<String> {
    let times = report.disturbed;
    (times >= DISTURBED).then(|| {
        format!("this machine did other work meanwhile: computing took {times:.1} times its CPU time, so all speeds are too low")
    })
}

/// A speed, to three digits.
pub fn mb(speed: &Speed) -> String {
    rounded(speed.mb_per_s)
}

/// A number with a mark between thousands, or with as many decimals as it takes to tell it.
fn rounded(number: f64) -> String {
    match number {
        number if number >= 100.0 => count(number.round() as u64),
        number if number >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

/// Seconds, to three digits.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 100.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 10.0 => format!("{seconds:.1} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.3} s"),
    }
}

/// A part of a whole.
pub fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// A name as it is read.
pub fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

fn stages(stages: &[Stage]) -> String {
    let mut table = Table::new([
        ("STAGE", Side::Left),
        ("IN", Side::Right),
        ("OUT", Side::Right),
        ("ONE CORE MB/S", Side::Right),
        ("ALL MB/S", Side::Right),
        ("", Side::Left),
    ]);
    for stage in stages {
        let way = if stage.direction == Direction::Back { "← " } else { "→ " };
        table.row([
            format!("{way}{}", stage.name),
            size(stage.bytes),
            stage.bytes_out.map_or_else(String::new, size),
            mb(&stage.one_core),
            stage.all_cores.as_ref().map_or_else(|| "-".to_string(), mb),
            stage.what.to_string(),
        ]);
    }
    table.text("nothing")
}

fn whole(steps: &[Step]) -> String {
    let mut table = Table::new([
        ("WHOLE", Side::Left),
        ("TIME", Side::Right),
        ("MB/S", Side::Right),
        ("CPU", Side::Right),
        ("READ", Side::Right),
        ("NEW", Side::Right),
        ("STORED", Side::Right),
    ]);
    for step in steps {
        let is_snapshot = !matches!(step.name, "restore" | "verify");
        let of_snapshot = |bytes| if is_snapshot { size(bytes) } else { String::new() };
        table.row([
            spaced(step.name),
            seconds(step.speed.wall_s),
            mb(&step.speed),
            seconds(step.speed.cpu_s),
            of_snapshot(step.bytes_read),
            of_snapshot(step.bytes_new),
            of_snapshot(step.bytes_stored),
        ]);
    }
    table.text("nothing")
}

fn model(model: &Model) -> String {
    let mut table = Table::new([
        ("FIRST SNAPSHOT'S CPU TIME (A MODEL)", Side::Left),
        ("BYTES", Side::Right),
        ("CPU", Side::Right),
        ("SHARE", Side::Right),
    ]);
    for share in &model.shares {
        table.row([share.stage.to_string(), size(share.bytes), seconds(share.cpu_s), percent(share.share)]);
    }
    let rest = [seconds(model.unexplained_s), percent(model.unexplained_share)];
    let [rest_s, rest_share] = rest;
    table.row(["not explained".to_string(), String::new(), rest_s, rest_share]);
    let whole = ["all of it".to_string(), String::new(), seconds(model.cpu_s), percent(1.0)];
    table.row(whole);
    format!("{}bound by {}\n", table.text("nothing"), model.sentence)
}

fn against(tools: &[ToolReport]) -> String {
    let mut table = Table::new([
        ("AS A PROCESS", Side::Left),
        ("TOOL", Side::Left),
        ("TIME", Side::Right),
        ("CPU", Side::Right),
        ("PEAK MEMORY", Side::Right),
        ("REPOSITORY", Side::Right),
    ]);
    let steps = tools.first().map_or(0, |tool| tool.steps.len());
    for number in 0..steps {
        for (tool, step) in tools.iter().filter_map(|tool| Some((tool, tool.steps.get(number)?))) {
            table.row([
                spaced(step.name),
                tool.name.clone(),
                seconds(step.speed.wall_s),
                seconds(step.speed.cpu_s),
                size(step.peak_memory_bytes),
                size(step.repository_bytes),
            ]);
        }
    }
    let mut text = table.text("nothing");
    for tool in tools {
        let equal = if tool.restored_equal { "all came back as it was" } else { "WHAT CAME BACK DIFFERS" };
        let line = format!("{}: {}; {}; {equal}", tool.name, tool.version, tool.settings);
        text.push_str(&format!("{}\n", printable(&line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_enough() {
        let numbers = [(12_345.6, "12,346"), (99.94, "99.9"), (1.234, "1.23"), (0.004, "0.00")];
        numbers.into_iter().for_each(|(number, text)| assert_eq!(rounded(number), text));
        let times = [(123.4, "123 s"), (12.34, "12.3 s"), (1.234, "1.23 s"), (0.0123, "0.012 s"), (-0.5, "-0.500 s")];
        times.into_iter().for_each(|(time, text)| assert_eq!(seconds(time), text));
        assert_eq!((percent(0.714), percent(-0.03)), ("71 %".to_string(), "-3 %".to_string()));
    }
}
