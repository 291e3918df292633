//! Reads objectives: files that begin with `slos:`, and files of OpenSLO. What is wrong is said with its line; an objective that cannot
//! be used is left out, and the others of its file are used. It must never let a key pass that it does not know.

use super::queries::{self, Asked, simplified};
use super::{
    ENOUGH, Op, Pair, Period, SLOS_MAX, STEP_MS, Sli, Slo, Tier, TierOf, WINDOW_MS_MAX, WINDOW_MS_MIN,
    Window, slug, usual_pairs,
};
use crate::problem::{Problem, Problems};
use crate::read::{Check, duration_ms, entries, is_label_name, short};
use document::{Entry, Node, Value};

/// The most characters of a text.
const TEXT_CHARS_MAX: usize = 4_000;
/// The most alerts, tiers or labels of one objective.
const PARTS_MAX: usize = 20;

const KEYS: &[&str] = &[
    "name",
    "service",
    "about",
    "owner",
    "action",
    "objective",
    "window",
    "total",
    "good",
    "bad",
    "latency",
    "below",
    "spans",
    "operation",
    "value",
    "at_most",
    "at_least",
    "above",
    "enough",
    "alerts",
    "tiers",
    "labels",
];
const ALERT_KEYS: &[&str] = &["burns", "over", "and", "severity"];
const TIER_KEYS: &[&str] = &["name", "budget", "services", "expr"];

/// Objectives of a file, and what is wrong with it.
#[derive(Debug, Default)]
pub struct ReadSlos {
    /// Those that can be used.
    pub slos: Vec<Slo>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// False if nothing of it could be read.
    pub is_readable: bool,
}

/// Whether a text is a file of objectives, not of rules: by its first key.
pub fn is_slo_file(text: &str) -> bool {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#') && l.trim() != "---");
    let first = lines.next().unwrap_or("");
    let has = |key: &str| text.lines().any(|l| l.starts_with(key));
    first.starts_with("slos:")
        || (has("apiVersion:") && text.contains("openslo"))
        || (has("slos:") && !has("groups:"))
}

/// Reads a file of objectives of either form.
pub fn read(file: &str, text: &str, check: Check<'_>) -> ReadSlos {
    if text.lines().any(|l| l.starts_with("apiVersion:")) {
        return super::openslo::read(file, text, check);
    }
    let mut problems = Problems::of(file);
    let slos = match document::parse(text) {
        Ok(root) => root_of(&root, check, &mut problems),
        Err(e) => {
            problems.error(e.line, e.what);
            None
        }
    };
    let is_readable = slos.is_some();
    ReadSlos { slos: slos.unwrap_or_default(), problems: problems.list, is_readable }
}

/// Reads one objective, as JSON or YAML.
///
/// # Errors
/// What is wrong, the first thing first.
pub fn read_one(file: &str, text: &str, check: Check<'_>) -> Result<Slo, String> {
    let mut problems = Problems::of(file);
    let root = document::parse(text).map_err(|e| e.what)?;
    let slo = one(&root, check, &mut problems);
    match (slo, problems.list.iter().find(|p| p.is_error)) {
        (Some(slo), None) => Ok(slo),
        (_, Some(problem)) => Err(problem.what.clone()),
        (None, None) => Err("it is no objective".into()),
    }
}

fn root_of(root: &Node, check: Check<'_>, problems: &mut Problems) -> Option<Vec<Slo>> {
    if matches!(root.value, Value::Null) {
        return Some(Vec::new());
    }
    let all = entries(problems, root, "a file of objectives", &["slos"])?;
    let items = match all.iter().find(|e| e.key == "slos").map(|e| &e.value) {
        Some(Node { value: Value::List(items), .. }) => items.as_slice(),
        Some(Node { value: Value::Null, .. }) | None => &[],
        Some(node) => {
            problems.error(node.line, "slos: expected a list");
            return None;
        }
    };
    if items.len() > SLOS_MAX {
        problems
            .error(items[SLOS_MAX].line, format!("more than {SLOS_MAX} objectives; the others are left out"));
    }
    Some(distinct(
        items.iter().take(SLOS_MAX).filter_map(|node| one(node, check, problems)).collect(),
        problems,
    ))
}

/// Leaves out those whose address another has.
pub(super) fn distinct(slos: Vec<Slo>, problems: &mut Problems) -> Vec<Slo> {
    let mut out: Vec<Slo> = Vec::new();
    for slo in slos {
        match out.iter().find(|s| s.id == slo.id) {
            Some(other) => problems.error(
                slo.line,
                format!(
                    "{:?} has the same address as {:?} ({}), and is left out; give it another name",
                    slo.name, other.name, slo.id
                ),
            ),
            None => out.push(slo),
        }
    }
    out
}

/// The keys of one objective, and where to say what is wrong.
struct Form<'n, 'p> {
    entries: &'n [Entry],
    line: usize,
    problems: &'p mut Problems,
}

impl<'n> Form<'n, '_> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|e| e.key == key).map(|e| &e.value).filter(|n| n.value != Value::Null)
    }

    fn line(&self, key: &str) -> usize {
        self.get(key).map_or(self.line, |n| n.line)
    }

    fn error(&mut self, key: &str, what: String) {
        let line = self.line(key);
        self.problems.error(line, what);
    }

    /// A text, or "".
    fn text(&mut self, key: &str) -> String {
        match self.get(key).map(Node::text) {
            Some(Some(text)) => text.trim().chars().take(TEXT_CHARS_MAX).collect(),
            Some(None) => {
                self.error(key, format!("{key}: expected a text"));
                String::new()
            }
            None => String::new(),
        }
    }

    /// A number above 0.
    fn number(&mut self, key: &str) -> Option<f64> {
        let text = self.get(key)?.text().unwrap_or("").trim();
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Some(n),
            _ => {
                self.error(key, format!("{key}: expected a number, found {:?}", short(text)));
                None
            }
        }
    }

    /// A time, in seconds: `300ms`, or a number of the histogram's unit.
    fn limit(&mut self, key: &str) -> Option<f64> {
        let text = self.get(key)?.text().unwrap_or("").trim();
        match text.parse::<f64>().map_err(|_| duration_ms(text)) {
            Ok(n) if n.is_finite() && n > 0.0 => Some(n),
            Err(Ok(ms)) if ms > 0 => Some(ms as f64 / 1000.0),
            _ => {
                self.error(key, format!("{key}: expected a time such as 300ms, found {:?}", short(text)));
                None
            }
        }
    }

    fn duration(&mut self, key: &str) -> Option<i64> {
        let text = self.get(key)?.text().unwrap_or("").trim();
        match duration_ms(text) {
            Ok(ms) => Some(ms),
            Err(e) => {
                self.error(key, format!("{key}: {e}"));
                None
            }
        }
    }

    fn list(&mut self, key: &str) -> &'n [Node] {
        match self.get(key).map(|n| &n.value) {
            Some(Value::List(items)) => &items[..items.len().min(PARTS_MAX)],
            Some(_) => {
                self.error(key, format!("{key}: expected a list"));
                &[]
            }
            None => &[],
        }
    }
}

fn one(node: &Node, check: Check<'_>, problems: &mut Problems) -> Option<Slo> {
    let before = problems.list.iter().filter(|p| p.is_error).count();
    let entries = entries(problems, node, "an objective", KEYS)?;
    let mut form = Form { entries, line: node.line, problems };
    let sli = sli(&mut form);
    let objective = form.text("objective");
    let objective = match share(&objective) {
        Ok(share) => share,
        Err(e) => {
            form.error("objective", e);
            0.0
        }
    };
    let window = match window(&form.text("window")) {
        Ok(window) => window,
        Err(e) => {
            form.error("window", e);
            Window::Rolling(WINDOW_MS_MIN)
        }
    };
    let enough = form.number("enough").unwrap_or(ENOUGH);
    let slo = Slo {
        id: String::new(),
        name: form.text("name"),
        service: form.text("service"),
        about: form.text("about"),
        owner: form.text("owner"),
        action: form.text("action"),
        sli: sli?,
        objective,
        window,
        enough,
        pairs: pairs(&mut form, objective, window),
        tiers: tiers(&mut form, check),
        labels: labels(&mut form),
        file: String::new(),
        line: node.line,
    };
    let slo = finish(slo, check, problems)?;
    (problems.list.iter().filter(|p| p.is_error).count() == before).then_some(slo)
}

fn sli(form: &mut Form<'_, '_>) -> Option<Sli> {
    let said: Vec<&str> =
        ["total", "latency", "spans", "value"].into_iter().filter(|k| form.get(k).is_some()).collect();
    let [kind] = said.as_slice() else {
        let what = "an objective counts one of: total with good or bad; latency with below; spans; value with at_most, below, at_least or above";
        let line = form.line;
        form.problems.error(line, what);
        return None;
    };
    match *kind {
        "total" => {
            let (good, bad) = (form.text("good"), form.text("bad"));
            let is_bad = good.is_empty();
            if good.is_empty() == bad.is_empty() {
                form.error("total", "total: needs good or bad beside it, one of both".into());
                return None;
            }
            let part = simplified(if is_bad { &bad } else { &good });
            Some(Sli::Ratio { total: simplified(&form.text("total")), part, is_bad })
        }
        "latency" => {
            let of = form.text("latency");
            let of = of.replacen("_bucket", "", 1);
            if form.get("below").is_none() {
                form.error("latency", "latency: needs below beside it, such as 300ms".into());
            }
            Some(Sli::Latency { of, below: form.limit("below")? })
        }
        "spans" => Some(Sli::Spans {
            service: form.text("spans"),
            operation: form.text("operation"),
            below: form.limit("below"),
        }),
        _ => {
            let ops = [
                ("at_most", Op::AtMost),
                ("below", Op::Below),
                ("at_least", Op::AtLeast),
                ("above", Op::Above),
            ];
            let (key, op) = ops.into_iter().find(|(key, _)| form.get(key).is_some()).or_else(|| {
                form.error("value", "value: needs at_most, below, at_least or above beside it".into());
                None
            })?;
            let limit = form.number(key)?;
            Some(Sli::Threshold { value: form.text("value"), op, limit })
        }
    }
}

/// A share: `99.9 %`, `99.9` or `0.999`.
///
/// # Errors
/// What is wrong with it.
pub fn share(text: &str) -> Result<f64, String> {
    let bare = text.trim().trim_end_matches('%').trim();
    let number = bare
        .parse::<f64>()
        .map_err(|_| format!("objective: expected a share such as 99.9 %, found {:?}", short(text)))?;
    let share = if text.contains('%') || number > 1.0 { number / 100.0 } else { number };
    match share {
        share if (0.5..1.0).contains(&share) => Ok(share),
        share if share >= 1.0 => {
            Err("objective: 100 % leaves no budget, so nothing can be said of it; promise a little less"
                .into())
        }
        _ => Err("objective: it is below 50 %; it is the share that has to be good".into()),
    }
}

/// A window: `30d`, or `calendar month`.
///
/// # Errors
/// What is wrong with it.
pub fn window(text: &str) -> Result<Window, String> {
    if text.is_empty() {
        return Ok(Window::Rolling(30 * super::DAY_MS));
    }
    if let Some(word) = text.strip_prefix("calendar") {
        let what = "window: calendar day, week, month, quarter or year, in UTC";
        return Period::from_word(word.trim()).map(Window::Calendar).ok_or_else(|| what.to_string());
    }
    let ms = duration_ms(text).map_err(|e| format!("window: {e}"))?;
    match ms {
        ms if (WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&ms) => Ok(Window::Rolling(ms)),
        _ => Err("window: from one hour to 366 days".into()),
    }
}

fn pairs(form: &mut Form<'_, '_>, objective: f64, window: Window) -> Vec<Pair> {
    let length_ms = match window {
        Window::Rolling(ms) => ms,
        Window::Calendar(period) => period.end(0) - period.start(0),
    };
    if form.get("alerts").is_none() {
        return usual_pairs(objective, length_ms);
    }
    let mut out = Vec::new();
    for node in form.list("alerts") {
        let Some(keys) = entries(form.problems, node, "an alert", ALERT_KEYS) else { continue };
        let mut of = Form { entries: keys, line: node.line, problems: form.problems };
        let long_ms = of.duration("over").unwrap_or(0);
        let short_ms = of.duration("and").unwrap_or(long_ms / 12);
        let factor = of.number("burns").unwrap_or(0.0);
        let severity = of.text("severity");
        let severity = if severity.is_empty() { "page".to_string() } else { severity };
        out.push(Pair { long_ms, short_ms: rounded(short_ms), factor, severity });
    }
    out
}

/// Whole steps, one at least.
pub(super) fn rounded(ms: i64) -> i64 {
    (ms / STEP_MS).max(1) * STEP_MS
}

fn tiers(form: &mut Form<'_, '_>, check: Check<'_>) -> Vec<Tier> {
    let mut out = Vec::new();
    for node in form.list("tiers") {
        let Some(keys) = entries(form.problems, node, "a tier", TIER_KEYS) else { continue };
        let mut of = Form { entries: keys, line: node.line, problems: form.problems };
        let (name, budget_s) = (of.text("name"), of.limit("budget").unwrap_or(0.0));
        let services =
            of.list("services").iter().filter_map(|n| n.text().map(str::to_string)).collect::<Vec<_>>();
        let expr = of.text("expr");
        if name.is_empty() || budget_s <= 0.0 || services.is_empty() == expr.is_empty() {
            of.problems.error(node.line, "a tier needs a name, a budget such as 2s, and services or expr");
            continue;
        }
        if let Err(e) = if expr.is_empty() { Ok(()) } else { check(&expr) } {
            of.error("expr", format!("expr: {e}"));
        }
        let of = if expr.is_empty() { TierOf::Services(services) } else { TierOf::Expr(expr) };
        out.push(Tier { name, budget_s, of });
    }
    out
}

fn labels(form: &mut Form<'_, '_>) -> Vec<(String, String)> {
    let pairs = match form.get("labels").map(|n| &n.value) {
        Some(Value::Map(pairs)) => pairs.as_slice(),
        Some(_) => {
            form.error("labels", "labels: expected names with texts".into());
            &[]
        }
        None => &[],
    };
    let mut out = Vec::new();
    for entry in pairs.iter().take(PARTS_MAX) {
        match entry.value.text().filter(|_| is_label_name(&entry.key) && entry.key != model::labels::NAME) {
            Some(text) => out.push((entry.key.clone(), text.to_string())),
            None => form.problems.error(
                entry.line,
                format!("labels: {:?} is not a name for a label, or has no text", short(&entry.key)),
            ),
        }
    }
    out
}

/// Checks what both forms have to be, and gives it its address.
pub(super) fn finish(mut slo: Slo, check: Check<'_>, problems: &mut Problems) -> Option<Slo> {
    let line = slo.line;
    let mut wrong = Vec::new();
    if slo.name.is_empty() || slo.name.chars().any(char::is_control) {
        wrong.push("an objective needs a name: it is what people read first".to_string());
    }
    slo.id = slug(&slo.name);
    if slo.id.is_empty() {
        wrong.push("its name has neither letters nor digits, so it can have no address".into());
    }
    slo.file.clone_from(&problems.file);
    if let (Sli::Spans { service, .. }, true) = (&slo.sli, slo.service.is_empty()) {
        slo.service.clone_from(service);
    }
    let texts = match queries::events(&slo.sli, STEP_MS) {
        Asked::Events { total, part, .. } => vec![total, part],
        Asked::Value(value) => vec![value],
    };
    for text in texts {
        if let Err(e) = check(&text) {
            wrong.push(format!("what it counts cannot be asked: {e} (in {text:?}); write a selector of counters, or an expression with [$window]"));
        }
    }
    if !(0.0..1e12).contains(&slo.enough) {
        wrong.push("enough: a number of bad events".into());
    }
    for pair in &slo.pairs {
        let is_possible = pair.factor > 0.0
            && pair.factor.is_finite()
            && (STEP_MS..=pair.long_ms).contains(&pair.short_ms)
            && pair.long_ms <= 30 * super::DAY_MS;
        if !is_possible {
            wrong.push("an alert needs burns (a number), over (up to 30d), and a shorter time in and".into());
        } else if pair.factor > 1.0 / slo.allowed() {
            let most = super::words::number(1.0 / slo.allowed());
            wrong.push(format!(
                "nothing burns {}x: if everything fails it burns {most}x",
                super::words::number(pair.factor)
            ));
        }
    }
    let is_good = wrong.is_empty();
    wrong.into_iter().for_each(|what| problems.error(line, what));
    is_good.then_some(slo)
}
