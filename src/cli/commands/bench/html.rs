//! What was measured, as one page that needs nothing beside it: no script, no font, no other file.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use snaphold::bench::{BenchReport, Direction, Model, Stage, Step, ToolReport, ToolStep};

use super::text::{data, disturbed, mb, percent, seconds, spaced};
use crate::cli::table::{printable, size};

/// Light or dark as the reader's system is; wide tables scroll by themselves, so that a phone shows the rest.
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2128;--dim:#59636e;--page:#fff;--line:#d1d9e0;--one:#2f6f9f;--all:#7fb2d6;--rest:#c9ced4}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--page:#0d1117;--line:#30363d;--one:#5aa9e6;--all:#2b5f86;--rest:#484f58}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:52rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}p{margin:.5rem 0}.dim{color:var(--dim)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.what{text-align:left;white-space:normal;min-width:12rem;color:var(--dim)}
svg{width:100%;max-width:30rem;height:auto;display:block;margin:.5rem 0}svg text{fill:var(--ink);font:13px system-ui,sans-serif}
.one{fill:var(--one)}.all{fill:var(--all)}.rest{fill:var(--rest)}
";

/// The page.
pub fn page(report: &BenchReport) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "snaphold bench" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "snaphold bench" }
                p { (printable(&data(&report.data))) }
                p.dim { (report.cores) " cores; snaphold " (env!("CARGO_PKG_VERSION")) "; MB are 10⁶ bytes" }
                @if let Some(warning) = disturbed(report) { p { strong { (warning) "." } } }
                (model(&report.model))
                (stages(report))
                (whole(&report.whole))
                @if !report.against.is_empty() { (against(&report.against)) }
                @if !report.skipped.is_empty() {
                    h2 { "Skipped" }
                    ul { @for skipped in &report.skipped { li { (spaced(&skipped.what)) ": " (printable(&skipped.why)) } } }
                }
            }
        }
    };
    page.into_string()
}

fn model(model: &Model) -> Markup {
    let mut bars: Vec<Bar> = model
        .shares
        .iter()
        .map(|share| {
            Bar::new(share.stage, "one", share.cpu_s, format!("{}, {}", percent(share.share), seconds(share.cpu_s)))
        })
        .collect();
    let rest = format!("{}, {}", percent(model.unexplained_share), seconds(model.unexplained_s));
    bars.push(Bar::new("not explained", "rest", model.unexplained_s, rest));
    html! {
        h2 { "Where the first snapshot's CPU time goes" }
        p { "Bound by " (model.sentence) "." }
        (plot("Processor time of each stage in the first snapshot", &bars))
        p.dim {
            "A model: what each stage takes alone for a byte, times the bytes that pass it. What is not explained are "
            "folders, attributes, recipes, the index, and waiting; it is negative where the stages alone took longer "
            "than the whole."
        }
    }
}

fn stages(report: &BenchReport) -> Markup {
    let of = |direction| report.stages.iter().filter(move |stage| stage.direction == direction);
    html! {
        h2 { "Each stage alone" }
        p.dim { "On " (size(report.stage_bytes)) " of the data, in memory or in the system's cache. Medians." }
        @for (direction, name) in [(Direction::There, "Into a repository"), (Direction::Back, "Out of it")] {
            h3 { (name) }
            (plot("MB a second by one core (dark) and by all (light), on a logarithmic scale", &speeds(of(direction))))
            div.wide { table {
                thead { tr { th { "stage" } th { "in" } th { "out" } th { "one core MB/s" } th { "all MB/s" } th { } } }
                tbody { @for stage in of(direction) { tr {
                    td { (stage.name) }
                    td { (size(stage.bytes)) }
                    td { @if let Some(out) = stage.bytes_out { (size(out)) } }
                    td { (mb(&stage.one_core)) }
                    td { @if let Some(all) = &stage.all_cores { (mb(all)) } @else { "–" } }
                    td.what { (stage.what) }
                } } }
            } }
        }
    }
}

/// Stages are up to a thousand times as fast as one another: the bars are as long as the logarithm.
fn speeds<'s>(stages: impl Iterator<Item = &'s Stage>) -> Vec<Bar> {
    let long = |mb_per_s: f64| mb_per_s.max(1.0).log10();
    let bars = stages.flat_map(|stage| {
        let one = Bar::new(stage.name, "one", long(stage.one_core.mb_per_s), format!("{} MB/s", mb(&stage.one_core)));
        let all = stage.all_cores.as_ref();
        let all = all.map(|all| Bar::new("", "all", long(all.mb_per_s), format!("{} MB/s", mb(all))));
        [Some(one), all]
    });
    bars.flatten().collect()
}

fn whole(steps: &[Step]) -> Markup {
    let bar = |step: &Step| Bar::new(&spaced(step.name), "one", step.speed.wall_s, seconds(step.speed.wall_s));
    html! {
        h2 { "Whole" }
        (plot("Time of each step", &steps.iter().map(bar).collect::<Vec<_>>()))
        div.wide { table {
            thead { tr {
                th { "step" } th { "time" } th { "MB/s" } th { "CPU" } th { "read" } th { "new" } th { "stored" }
            } }
            tbody { @for step in steps { tr {
                td { (spaced(step.name)) }
                td { (seconds(step.speed.wall_s)) }
                td { (mb(&step.speed)) }
                td { (seconds(step.speed.cpu_s)) }
                @if matches!(step.name, "restore" | "verify") { td { } td { } td { } } @else {
                    td { (size(step.bytes_read)) }
                    td { (size(step.bytes_new)) }
                    td { (size(step.bytes_stored)) }
                }
            } } }
        } }
    }
}

fn against(tools: &[ToolReport]) -> Markup {
    let steps: Vec<&str> =
        tools.first().map(|tool| tool.steps.iter().map(|step| step.name).collect()).unwrap_or_default();
    let of = |name: &str, value: fn(&ToolStep) -> f64, text: fn(&ToolStep) -> String| -> Vec<Bar> {
        let bar = |tool: &ToolReport| {
            let step = tool.steps.iter().find(|step| step.name == name)?;
            let class = if tool.name == "snaphold" { "one" } else { "all" };
            Some(Bar::new(&tool.name, class, value(step), text(step)))
        };
        tools.iter().filter_map(bar).collect()
    };
    html! {
        h2 { "Beside other tools" }
        p.dim { "Each step is a process that begins and ends, as a user types it; all of them encrypt." }
        @for name in &steps {
            h3 { (spaced(name)) ": time" }
            (plot(&format!("Time of {}", spaced(name)), &of(name, |step| step.speed.wall_s, |step| seconds(step.speed.wall_s))))
        }
        @if let Some(last) = steps.last() {
            h3 { "repository: size" }
            (plot("Size of the repository", &of(last, |step| step.repository_bytes as f64, |step| size(step.repository_bytes))))
        }
        div.wide { table {
            thead { tr {
                th { "step" } th { "tool" } th { "time" } th { "CPU" } th { "peak memory" } th { "repository" }
            } }
            tbody { @for name in &steps { @for tool in tools { @for step in tool.steps.iter().filter(|step| step.name == *name) { tr {
                td { (spaced(step.name)) }
                td { (tool.name) }
                td { (seconds(step.speed.wall_s)) }
                td { (seconds(step.speed.cpu_s)) }
                td { (size(step.peak_memory_bytes)) }
                td { (size(step.repository_bytes)) }
            } } } } }
        } }
        ul { @for tool in tools { li {
            (tool.name) ": " (tool.version) "; " (tool.settings) "; "
            @if tool.restored_equal { "all came back as it was" } @else { strong { "what came back differs" } }
        } } }
    }
}

/// A bar of a plot.
struct Bar {
    name: String,
    class: &'static str,
    value: f64,
    text: String,
}

impl Bar {
    fn new(name: &str, class: &'static str, value: f64, text: String) -> Self {
        Self { name: name.to_string(), class, value, text }
    }
}

/// The plot's parts, in its own units.
const WIDTH: f64 = 400.0;
const NAMES: f64 = 110.0;
const TEXTS: f64 = 100.0;
const ROW: f64 = 22.0;

/// Bars below one another, each with its name before it and its text behind it.
fn plot(title: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let long = |value: f64| if most > 0.0 { (value / most).clamp(0.0, 1.0) * (WIDTH - NAMES - TEXTS) } else { 0.0 };
    let height = bars.len() as f64 * ROW;
    let place = |number: f64| format!("{number:.1}");
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(title) {
            title { (title) }
            @for (number, bar) in bars.iter().enumerate() {
                @let top = number as f64 * ROW;
                text x=(place(NAMES - 6.0)) y=(place(top + 15.0)) text-anchor="end" { (bar.name) }
                rect class=(bar.class) x=(place(NAMES)) y=(place(top + 3.0)) width=(place(long(bar.value).max(1.0)))
                    height=(place(ROW - 6.0)) { }
                text x=(place(NAMES + long(bar.value).max(1.0) + 6.0)) y=(place(top + 15.0)) { (bar.text) }
            }
        }
    }
}
