//! Situations: what is measured and on record, a plan, and what the rules that come with the program say of it. Each file of
//! `situations/` is to be read by people who run systems; the queries of the rules are really evaluated.
//!
//! ```text
//! world shop                                  lines that several situations share
//!   known api: api-1 api-2 on h1              a service with its instances, on which hosts
//!   up{job="api", instance="api-1"} 1         a series: always 1
//!
//! situation Memory grows
//!   in shop                                   the lines of that world; the same series here replaces the one there
//!   heap_bytes{job="api"} 1G -> 3G            steps in the window of the last 15 minutes
//!   free_bytes{instance="h1"} 9G ~ 1G         moves evenly over two hours
//!   errors_total{job="api"} +1/s -> +9/s      counts up, so fast before and in the window
//!   seconds{client="a"} took 20ms -> 2s       a native histogram of calls that take so long
//!   change 5h ago restart api: restarted      on record: when, kind, service or host, title
//!   moved 12m ago db-2: io time of sda rose   what a comparison of everything found, the first first
//!   plan restart api
//!   says restart-destroys-evidence: Keep      exactly these, in this order, each with a part of its text
//!   cannot check last-healthy-copy            among what could not be checked
//!   checked done-again-and-again              among what was checked
//! ```
//!
//! Without `says` nothing may be said, and something must have been checked, unless `not understood` stands there.

#[path = "situations/world.rs"]
mod world;

use critic::plan::{Asked, read};
use critic::{Library, critique};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use world::{Situation, World, parse};

#[test]
fn every_situation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/situations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "txt"));
    files.sort();
    let library = Library::load(&[], &|_| Ok(()));
    assert_eq!(library.problems, []);
    let (mut wrong, mut count, mut spoken) = (Vec::new(), 0, BTreeSet::new());
    let mut worlds = BTreeMap::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().to_string();
        for situation in parse(&name, &std::fs::read_to_string(file).unwrap(), &mut worlds) {
            count += 1;
            spoken.extend(situation.says.iter().map(|(rule, _)| rule.clone()));
            if let Err(what) = play(&situation, &library) {
                wrong.push(format!("{name}: {}\n    plan {}\n    {what}", situation.title, situation.plan));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} situations went otherwise:\n\n{}\n",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(count >= 60, "{count} situations");
    println!("{count} situations; {} of {} rules spoke", spoken.len(), library.rules().len());
}

fn play(situation: &Situation, library: &Library) -> Result<(), String> {
    let mut world = World::new(situation);
    let asked = Asked { text: situation.plan.clone(), goal: situation.goal.clone(), ..Asked::default() };
    let plan = read(&asked, &world.names()).map_err(|e| e.to_string())?;
    let report = critique(&plan, library, &[], &mut world);
    if let Some(wrong) = world.wrong {
        return Err(wrong);
    }
    let said: Vec<String> = report.critiques.iter().map(|c| format!("{}: {}", c.rule, c.text)).collect();
    let told = || format!("{}\n    {}", report.headline(), said.join("\n    "));
    if report.is_understood == situation.not_understood {
        return Err(format!("understood: {}\n    {plan:?}", report.is_understood));
    }
    let want: Vec<&str> = situation.says.iter().map(|(rule, _)| rule.as_str()).collect();
    let got: Vec<&str> = report.critiques.iter().map(|c| c.rule.as_str()).collect();
    if want != got {
        return Err(format!("wanted {want:?}\n    {}", told()));
    }
    for ((rule, part), critique) in situation.says.iter().zip(&report.critiques) {
        if !critique.text.contains(part) {
            return Err(format!("{rule} does not say {part:?}\n    {}", told()));
        }
        // What is said of numbers has to show them.
        let is_measured = library.get(rule).is_some_and(|r| !r.questions.is_empty());
        if is_measured && critique.evidence.is_empty() {
            return Err(format!("{rule} gives no evidence\n    {}", told()));
        }
    }
    if said.is_empty() && report.is_understood && report.checked.is_empty() && situation.cannot.is_empty() {
        return Err(format!("nothing was checked: {}", report.headline()));
    }
    for (list, wanted, what) in [
        (&report.checked, &situation.checked, "checked"),
        (&report.unchecked, &situation.cannot, "not checked"),
    ] {
        if let Some(missing) = wanted.iter().find(|rule| !list.iter().any(|c| c.rule == **rule)) {
            let all: Vec<&str> = list.iter().map(|c| c.rule.as_str()).collect();
            return Err(format!("{missing} is not among what was {what}: {all:?}"));
        }
    }
    Ok(())
}
