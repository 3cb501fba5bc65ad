//! What this process runs on: host, system, processor; and who runs it.
//!
//! Nothing here fails: what cannot be told is left out.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Enough of `/proc/cpuinfo` for its first processor. The kernel makes that file as it is read,
/// which for hundreds of processors takes milliseconds.
const HEAD_BYTES: u64 = 4 << 10;
/// Most of `/etc/passwd` that is read.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// Returns the host's name.
pub(super) fn host() -> Option<String> {
    #[cfg(unix)]
    let name = uname(rustix::system::Uname::nodename);
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    present(name)
}

/// Returns system and kernel: `Debian GNU/Linux 12 (bookworm), Linux 6.1.0 x86_64`.
pub(super) fn os() -> Option<String> {
    #[cfg(unix)]
    let kernel = [
        uname(rustix::system::Uname::sysname),
        uname(rustix::system::Uname::release),
        uname(rustix::system::Uname::machine),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ");
    #[cfg(not(unix))]
    let kernel = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| pretty_name(&head(path, HEAD_BYTES)?));
    present(Some(match release {
        Some(release) => format!("{release}, {kernel}"),
        None => kernel,
    }))
}

/// Returns the processor's model, or at least its architecture.
pub(super) fn cpu() -> Option<String> {
    head("/proc/cpuinfo", HEAD_BYTES)
        .and_then(|text| cpu_model(&text))
        .or_else(|| {
            head("/proc/device-tree/model", HEAD_BYTES).and_then(|text| present(Some(text)))
        })
        .or_else(|| Some(std::env::consts::ARCH.to_owned()))
}

/// Returns how many logical processors this process may use, after affinity and control groups.
pub(super) fn cpu_count() -> Option<u32> {
    let count = std::thread::available_parallelism().ok()?;
    u32::try_from(count.get()).ok()
}

/// Returns the name of the user who runs this process.
pub(super) fn login() -> Option<String> {
    let named = ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|variable| present(std::env::var(variable).ok()));
    #[cfg(unix)]
    let named = named.or_else(|| {
        let passwd = head("/etc/passwd", PASSWD_BYTES_MAX)?;
        user_name(&passwd, rustix::process::getuid().as_raw())
    });
    named
}

/// Drops white space and NUL around a text, and a text without anything else.
pub(super) fn present(text: Option<String>) -> Option<String> {
    let text = text?;
    let kept = text.trim_matches(|char: char| char.is_whitespace() || char.is_control());
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Reads the beginning of a file.
fn head(path: impl AsRef<Path>, bytes_max: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(bytes_max)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(unix)]
fn uname(field: fn(&rustix::system::Uname) -> &std::ffi::CStr) -> Option<String> {
    let uname = rustix::system::uname();
    present(Some(field(&uname).to_string_lossy().into_owned()))
}

/// Source: os-release(5); values may stand in quotes.
fn pretty_name(text: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    present(Some(value.trim().trim_matches(['"', '\'']).to_owned()))
}

/// Most processors have a `model name`; ARM's have numbers.
fn cpu_model(text: &str) -> Option<String> {
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .and_then(|(_, value)| present(Some(value.to_owned())))
    };
    field("model name").or_else(|| {
        let (implementer, part) = (field("CPU implementer")?, field("CPU part")?);
        let arch = std::env::consts::ARCH;
        Some(format!("{arch} implementer {implementer} part {part}"))
    })
}

/// Source: passwd(5), `name:password:uid:…`.
#[cfg(unix)]
fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_told_from_the_systems_files() {
        let release = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(
            pretty_name(release).unwrap(),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(pretty_name("PRETTY_NAME=\"\"\n"), None);
        let x86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7B13\n";
        assert_eq!(cpu_model(x86).unwrap(), "AMD EPYC 7B13");
        let arm = "processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n";
        assert!(
            cpu_model(arm)
                .unwrap()
                .ends_with("implementer 0x41 part 0xd40")
        );
        assert_eq!(cpu_model(""), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_user_without_variables_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbad line\njane:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).unwrap(), "jane");
        assert_eq!(user_name(passwd, 100), None);
    }

    #[test]
    fn text_without_content_is_none() {
        assert_eq!(present(Some(" \n\0".to_owned())), None);
        assert_eq!(
            present(Some("Jetson Orin\0".to_owned())).unwrap(),
            "Jetson Orin"
        );
    }
}
