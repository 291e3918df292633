//! What takes data out of the folder and back: the archive, and backups. A pass of the archive may end at any
//! look at whether to go on, a restored backup takes the place of the folder that it is of. What is away may be missing
//! in an answer, which has to say so; what is back counts as if it had never left.

use super::{START_MS, STEP_MS, World};
use std::cell::Cell;
use std::path::PathBuf;
use stdx::ErrorKind;
use store::{BackupOptions, Severity, backup, restore, verify};

/// Times of the first and the last sample of a block.
pub type Range = (i64, i64);

impl World {
    /// A pass of the archive: to its end, or interrupted.
    pub fn archive(&mut self) -> Result<(), String> {
        let looks = Cell::new(if self.random.percent(40) { self.random.below(6) } else { u64::MAX });
        let go_on = || {
            looks.set(looks.get().saturating_sub(1));
            looks.get() > 0
        };
        match self.store()?.archive(self.now_ms(), &go_on) {
            Ok(()) => Ok(()),
            Err(e) if e.kind == ErrorKind::Cancelled => Ok(()),
            Err(e) => Err(format!("a pass of the archive fails: {e}")),
        }
    }

    /// Asks for a period back, or sends it away again, and lets it come.
    pub fn bring_back(&mut self) -> Result<(), String> {
        let now_ms = self.now_ms();
        let whole = self.random.percent(50);
        let start_ms = if whole { START_MS } else { now_ms - self.random.below(600) as i64 * STEP_MS };
        let end_ms = if whole { i64::MAX } else { start_ms + self.random.below(200) as i64 * STEP_MS };
        let until_ms = now_ms + (self.random.below(100) as i64 - 10) * STEP_MS;
        match self.store()?.bring_back(start_ms, end_ms, until_ms, now_ms) {
            Ok(_) => {}
            Err(e) if e.kind == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(format!("asking for what is archived fails: {e}")),
        }
        self.archive()?;
        self.all()
    }

    /// Blocks that queries cannot see, by their times.
    pub fn away(&self) -> Result<Vec<Range>, String> {
        let blocks = self.store()?.archive_reading().blocks;
        Ok(blocks.iter().filter(|b| b.here_until_ms.is_none()).map(|b| (b.first_ms, b.last_ms)).collect())
    }

    /// A backup of the folder in use, checked, and restored in the folder's place.
    pub fn back_up(&mut self) -> Result<(), String> {
        let backup_folder = self.backup_folder();
        let options = BackupOptions { copy: self.random.percent(50) };
        let made = backup(&self.path, &backup_folder, options, self.now_ms(), &mut |_| true);
        let made = made.map_err(|e| format!("a backup fails: {e}"))?;
        if let Some(problem) = made.problems.first() {
            return Err(format!("a backup of what is whole says: {problem}"));
        }
        let report = verify(&backup_folder, &mut |_| true).map_err(|e| format!("verify fails: {e}"))?;
        // What a crash left at the end of a segment is copied with it, and stays a doubt.
        if let Some(damage) = report.findings.iter().find(|f| f.severity == Severity::Damage) {
            return Err(format!("a backup is damaged: {damage:?}"));
        }
        if self.random.percent(50) {
            return Ok(());
        }
        self.store = None;
        let failed = |e: std::io::Error| format!("a folder for temporary files: {e}");
        std::fs::remove_dir_all(&self.path).map_err(failed)?;
        self.generation += 1;
        self.path = self.folder.path().join(self.generation.to_string());
        let restored = restore(&backup_folder, &self.path, false, &mut |_| true);
        restored.map_err(|e| format!("a restore fails: {e}"))?;
        self.backups += 1;
        self.open()?;
        self.all()
    }

    /// What was restored may not know all that the backups before it hold: they are another line.
    fn backup_folder(&self) -> PathBuf {
        self.folder.path().join(format!("backup-{}", self.backups))
    }
}
