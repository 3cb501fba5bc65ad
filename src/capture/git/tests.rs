//! Git's answers against those read by hand, in real repositories.

use tempfile::TempDir;

use super::*;

/// Runs git in a folder with a configuration of its own; false if it failed or is not there.
fn git(folder: &Path, arguments: &[&str]) -> bool {
    Command::new("git")
        .args(["-c", "user.name=Jane", "-c", "user.email=jane@example.org"])
        .args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(arguments)
        .current_dir(folder)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A repository with one commit on the branch `main`; none where git is not installed.
fn repository() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("train.py"), "lr = 0.1\n").unwrap();
    let made = git(path, &["init", "-q"])
        && git(path, &["symbolic-ref", "HEAD", "refs/heads/main"])
        && git(path, &["add", "train.py"])
        && git(path, &["commit", "-q", "-m", "first"]);
    made.then_some(folder)
}

fn state(folder: &Path) -> GitState {
    Inquiry::begin(folder).unwrap().answer()
}

/// The state asked anew, not the one kept from before.
fn fresh(folder: &Path) -> GitState {
    let asked = Asked::ask("git", folder, STATUS, |line| !line.starts_with('#')).unwrap();
    parse_status(&asked.answer().unwrap()).unwrap()
}

#[test]
fn commit_branch_and_dirt_are_told_of_a_repository() {
    let Some(folder) = repository() else { return };
    let path = folder.path();
    let clean = state(path);
    assert_eq!(clean.commit.as_ref().map(String::len), Some(40));
    assert_eq!(clean.branch.as_deref(), Some("main"));
    assert_eq!(clean.dirty, Some(false));
    fs::write(path.join("untracked.csv"), "1\n").unwrap();
    assert_eq!(fresh(path).dirty, Some(false));
    fs::write(path.join("train.py"), "lr = 0.25\n").unwrap();
    assert_eq!(fresh(path).dirty, Some(true));
    let below = path.join("a/b");
    fs::create_dir_all(&below).unwrap();
    assert_eq!(
        state(&below),
        GitState {
            dirty: Some(true),
            ..clean.clone()
        }
    );
    assert!(git(path, &["commit", "-q", "-a", "-m", "second"]));
    assert_ne!(
        state(path).commit,
        clean.commit,
        "a new commit is never an old answer"
    );
    assert!(git(path, &["checkout", "-q", "--detach"]));
    assert_eq!(state(path).branch, None);
}

#[test]
fn a_repository_without_commits_has_a_branch_and_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    if git(folder.path(), &["init", "-q"]) {
        let state = state(folder.path());
        assert_eq!(state.commit, None);
        assert!(state.branch.is_some());
    }
}

#[test]
fn outside_of_a_repository_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Inquiry::begin(folder.path()).is_none());
}

#[test]
fn by_hand_the_same_is_read_from_loose_packed_and_shared_refs() {
    let Some(folder) = repository() else { return };
    let path = folder.path();
    let told = |path: &Path| {
        let state = fresh(path);
        (state.commit, state.branch)
    };
    let read = |path: &Path| {
        let head = Head::read(&git_folder(path).unwrap());
        (head.commit, head.branch)
    };
    assert_eq!(read(path), told(path));
    assert!(read(path).0.is_some());
    let linked = path.join("linked");
    let linked_name = linked.to_string_lossy().into_owned();
    assert!(git(
        path,
        &["worktree", "add", "-q", "-b", "side/one", &linked_name]
    ));
    assert_eq!(read(&linked), told(&linked));
    assert_eq!(read(&linked).1.as_deref(), Some("side/one"));
    assert!(git(path, &["pack-refs", "--all"]));
    assert!(!path.join(".git/refs/heads/main").exists());
    assert_eq!(read(path), told(path));
    assert_eq!(read(&linked), told(&linked));
    assert!(git(path, &["checkout", "-q", "--detach"]));
    assert_eq!(read(path), told(path));
}

#[cfg(unix)]
#[test]
fn a_program_that_does_not_answer_is_given_up_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo $$ > pid; exec sleep 600";
    let mut asked = Asked::ask("sh", folder.path(), &["-c", script], |_| false).unwrap();
    asked.deadline = Instant::now() + Duration::from_millis(200);
    let pid = asked.child.id().to_string();
    assert_eq!(asked.answer(), None);
    // Killed at once, and soon reaped by the thread that waits for it.
    let gone = || !Path::new("/proc").join(&pid).exists();
    while Path::new("/proc/self").exists() && !gone() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_that_is_missing_or_speaks_of_other_things_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Asked::ask("no-such-git", folder.path(), &[], |_| true).is_none());
    assert_eq!(
        parse_status(&["fatal: detected dubious ownership".to_owned()]),
        None
    );
    assert_eq!(parse_status(&[]), None);
}
