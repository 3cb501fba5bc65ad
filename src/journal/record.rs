//! The records of a segment: what can happen to a run.
//!
//! A body is a kind byte and a version byte, then fields. The three kinds that carry points are
//! laid by hand; the rare ones are bincode. A kind or version that is not known is skipped by its
//! length, counted, and kept when the segment is sealed.
//!
//! | kind | version | what     | fields after the two bytes                                     |
//! |-----:|--------:|----------|----------------------------------------------------------------|
//! |    1 |       1 | `Points` | count `u16`, shape `u32`, step `i64`, time in µs `i64`, values |
//! |    2 |       1 | `Metric` | `u16` zero, number `u32`, name                                 |
//! |    3 |       1 | `Shape`  | `u16` zero, number `u32`, numbers of its metrics `u32` each    |
//! |   16 |       1 | `Event`  | time in µs and what happened, bincode                          |
//! |   16 |       2 | `Event`  | time in µs and what was not known to version 1, bincode        |
//!
//! Why two versions of events: bincode numbers the variants of an enum, so a reader of version 1
//! that met a new one there would call the record damaged. Under another version it skips it by its
//! length and keeps it. An artifact of which no more is said than version 1 can say is written in
//! that: older readers know it, and what is imported again makes the same bytes.
//!
//! Why shapes: the design had a metric's number beside each value. A training logs the same metrics
//! in the same order again and again; naming that order once makes a step of ten metrics 112 bytes
//! instead of 152 and its values one copy, and tells the sealer its groups.

use serde::Deserialize;
use serde::Serialize;

use crate::codec;
use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::limits::RECORD_METRICS_MAX;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Name;
use crate::model::ParamValue;
use crate::model::Process;
use crate::model::RunInfo;
use crate::model::Status;

const POINTS: u8 = 1;
const METRIC: u8 = 2;
const SHAPE: u8 = 3;
const EVENT: u8 = 16;
const VERSION: u8 = 1;
/// Version of the events that version 1 has no words for.
const LATER: u8 = 2;

/// Bytes of a `Points` body before its values.
pub const POINTS_HEADER_BYTES: usize = 24;

/// Who writes, in relation to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Started or resumed the run and will finish it: if it dies, the run has failed.
    Owner,
    /// Logs to a run that somebody else finishes.
    Member,
    /// A short command: it leaves its segment for the next one to append to.
    Command,
}

/// Something that happened to a run, other than a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A writer began this segment; stands first in each.
    WriterOpened {
        /// Its part in the run.
        role: Role,
        /// The process it lives in.
        process: Process,
    },
    /// The run started.
    RunStarted(Box<RunInfo>),
    /// A param was set.
    Param {
        /// Its name.
        key: Name,
        /// Its value, for good.
        value: ParamValue,
    },
    /// A tag was set or replaced.
    Tag {
        /// Its name.
        key: Name,
        /// Its new text.
        value: String,
    },
    /// The note was set or replaced.
    Note(String),
    /// A file was logged under a path.
    Artifact(#[serde(with = "plain")] ArtifactRef),
    /// The run ended.
    Finished {
        /// Completed or failed.
        status: Status,
        /// Why it failed.
        reason: Option<String>,
        /// Its end in microseconds since 1970.
        end_us: i64,
    },
    /// Disk or core did not keep up with the logging, and callers were slowed.
    Slowed(String),
    /// An alias was set to a file of this run, or removed; stands last, as version 1 has it not.
    #[serde(skip)]
    Alias {
        /// The alias.
        name: Name,
        /// What it stands for; none removes it.
        target: Option<AliasTarget>,
    },
}

/// The events that version 1 has no words for, as they are stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Later {
    Artifact(ArtifactRef),
    Alias(Name, Option<AliasTarget>),
}

impl Later {
    /// Returns what is stored of an event; none if version 1 can say it.
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Artifact(artifact) if !plain::says_all(artifact) => {
                Some(Self::Artifact(artifact.clone()))
            }
            Event::Alias { name, target } => Some(Self::Alias(name.clone(), target.clone())),
            _ => None,
        }
    }

    fn into_event(self) -> Result<Event, Malformed> {
        match self {
            Self::Artifact(artifact) if plain::says_all(&artifact) => {
                Err(Malformed::new("an artifact of version 1 in version 2"))
            }
            Self::Artifact(artifact) => Ok(Event::Artifact(artifact)),
            Self::Alias(name, target) => Ok(Event::Alias { name, target }),
        }
    }
}

/// An artifact as version 1 has it: bytes in the store that a run made.
mod plain {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serialize;
    use serde::Serializer;

    use super::ArtifactRef;
    use super::BlobId;

    type Fields<'a> = (&'a str, BlobId, u64, &'a Option<String>, i64);

    /// Whether no more is known of it.
    pub(super) fn says_all(artifact: &ArtifactRef) -> bool {
        let ArtifactRef {
            path,
            blob,
            bytes,
            media_type,
            time_us,
            ..
        } = artifact.clone();
        let plain = ArtifactRef {
            media_type,
            ..ArtifactRef::new(path, blob, bytes, time_us)
        };
        plain == *artifact
    }

    pub(super) fn serialize<S: Serializer>(
        artifact: &ArtifactRef,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let ArtifactRef {
            path,
            blob,
            bytes,
            media_type,
            time_us,
            ..
        } = artifact;
        let fields: Fields<'_> = (path, *blob, *bytes, media_type, *time_us);
        fields.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ArtifactRef, D::Error> {
        let fields = <(String, BlobId, u64, Option<String>, i64)>::deserialize(deserializer)?;
        let (path, blob, bytes, media_type, time_us) = fields;
        Ok(ArtifactRef {
            media_type,
            ..ArtifactRef::new(path, blob, bytes, time_us)
        })
    }
}

/// A record as it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// The values of one step, in the order of the shape's metrics.
    Points {
        /// Number of the shape.
        shape: u32,
        /// The step.
        step: i64,
        /// Microseconds since 1970.
        time_us: i64,
        /// 8 bytes a value, little-endian.
        values: &'a [u8],
    },
    /// Gives a metric a number in this segment.
    Metric {
        /// The number.
        number: u32,
        /// The metric.
        name: Name,
    },
    /// Gives a list of metrics a number in this segment.
    Shape {
        /// The number.
        number: u32,
        /// Numbers of its metrics.
        metrics: Vec<u32>,
    },
    /// Something else that happened.
    Event {
        /// Microseconds since 1970.
        time_us: i64,
        /// What.
        event: Event,
    },
    /// Of a later version.
    Unknown(&'a [u8]),
}

/// Returns the bytes of a `Points` body with so many values.
#[inline]
pub fn points_bytes(values: usize) -> usize {
    POINTS_HEADER_BYTES + 8 * values
}

/// Lays out a `Points` body but for its values, which follow.
///
/// - `count`: 1 to [`RECORD_METRICS_MAX`]
#[inline]
pub fn points_header(
    count: usize,
    shape: u32,
    step: i64,
    time_us: i64,
) -> [u8; POINTS_HEADER_BYTES] {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let first = u64::from(shape) << 32
        | u64::from(count) << 16
        | u64::from(VERSION) << 8
        | u64::from(POINTS);
    let mut bytes = [0; POINTS_HEADER_BYTES];
    let words = [
        first.to_le_bytes(),
        step.to_le_bytes(),
        time_us.to_le_bytes(),
    ];
    for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *place = word;
    }
    bytes
}

/// Lays out a `Metric` body.
pub fn metric(number: u32, name: &Name) -> Vec<u8> {
    let mut body = vec![METRIC, VERSION, 0, 0];
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(name.as_str().as_bytes());
    body
}

/// Lays out a `Shape` body.
pub fn shape(number: u32, metrics: &[u32]) -> Vec<u8> {
    let mut body = vec![SHAPE, VERSION, 0, 0];
    body.extend_from_slice(&number.to_le_bytes());
    body.extend(metrics.iter().flat_map(|metric| metric.to_le_bytes()));
    body
}

/// Lays out an `Event` body.
///
/// # Errors
/// [`Malformed`] never, unless bincode changes.
pub fn event(time_us: i64, event: &Event) -> Result<Vec<u8>, Malformed> {
    if let Some(later) = Later::of(event) {
        let mut body = vec![EVENT, LATER];
        codec::encode(&(time_us, later), &mut body)?;
        return Ok(body);
    }
    let mut body = vec![EVENT, VERSION];
    codec::encode(&(time_us, event), &mut body)?;
    Ok(body)
}

impl<'a> Record<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Malformed`] if a known kind has fields that make no sense.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(body);
        let (kind, version) = (bytes.u8()?, bytes.u8()?);
        match (kind, version) {
            (POINTS, VERSION) => {
                let count = usize::from(u16::from_le_bytes(bytes.array()?));
                let (shape, step, time_us) = (bytes.u32()?, bytes.i64()?, bytes.i64()?);
                if !(1..=RECORD_METRICS_MAX).contains(&count) || bytes.0.len() != 8 * count {
                    let have = bytes.0.len();
                    return Err(Malformed::new(format!("{count} values in {have} bytes")));
                }
                Ok(Self::Points {
                    shape,
                    step,
                    time_us,
                    values: bytes.0,
                })
            }
            (METRIC, VERSION) => {
                check_reserved(bytes.array()?)?;
                let number = bytes.u32()?;
                let name = std::str::from_utf8(bytes.0)
                    .map_err(|why| Malformed::new(format!("metric name: {why}")))?;
                let name = Name::new("metric name", name)
                    .map_err(|why| Malformed::new(why.to_string()))?;
                Ok(Self::Metric { number, name })
            }
            (SHAPE, VERSION) => {
                check_reserved(bytes.array()?)?;
                let number = bytes.u32()?;
                let (metrics, rest) = bytes.0.as_chunks::<4>();
                let fits = (1..=RECORD_METRICS_MAX).contains(&metrics.len()) && rest.is_empty();
                if !fits {
                    return Err(Malformed::new(format!(
                        "a shape of {} bytes",
                        bytes.0.len()
                    )));
                }
                let metrics = metrics
                    .iter()
                    .map(|metric| u32::from_le_bytes(*metric))
                    .collect();
                Ok(Self::Shape { number, metrics })
            }
            (EVENT, VERSION) => {
                let (time_us, event) = codec::decode(bytes.0)?;
                Ok(Self::Event { time_us, event })
            }
            (EVENT, LATER) => {
                let (time_us, later): (i64, Later) = codec::decode(bytes.0)?;
                let event = later.into_event()?;
                Ok(Self::Event { time_us, event })
            }
            _ => Ok(Self::Unknown(body)),
        }
    }

    /// Lays the record out again.
    ///
    /// # Errors
    /// As [`event`].
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        match self {
            Self::Points {
                shape,
                step,
                time_us,
                values,
            } => {
                let mut body = points_header(values.len() / 8, *shape, *step, *time_us).to_vec();
                body.extend_from_slice(values);
                Ok(body)
            }
            Self::Metric { number, name } => Ok(metric(*number, name)),
            Self::Shape { number, metrics } => Ok(shape(*number, metrics)),
            Self::Event {
                time_us,
                event: what,
            } => event(*time_us, what),
            Self::Unknown(body) => Ok(body.to_vec()),
        }
    }
}

fn check_reserved(bytes: [u8; 2]) -> Result<(), Malformed> {
    if bytes == [0; 2] {
        Ok(())
    } else {
        Err(Malformed::new("reserved bytes are not zero"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;
    use crate::model::Environment;
    use crate::model::Flow;
    use crate::model::GitState;
    use crate::model::RunId;

    #[test]
    fn golden_bytes() {
        let mut points = points_header(1, 2, 3, 4).to_vec();
        points.extend_from_slice(&0.5f64.to_le_bytes());
        let want = "010101000200000003000000000000000400000000000000000000000000e03f";
        assert_eq!(hex(&points), want); // version 1
        let name = Name::new("metric name", "loss").unwrap();
        assert_eq!(hex(&metric(7, &name)), "02010000070000006c6f7373");
        assert_eq!(hex(&shape(1, &[7, 8])), "03010000010000000700000008000000");
        let tag = Event::Tag {
            key: name,
            value: "x".into(),
        };
        assert_eq!(hex(&event(-1, &tag).unwrap()), "10010103046c6f73730178");
    }

    /// Each kind of event in full: a field or a variant that moves would be read as another.
    #[test]
    fn golden_bytes_of_events() {
        let text = |text: &str| Some(text.to_owned());
        let key = || Name::new("param name", "k").unwrap();
        let param = |value| Event::Param { key: key(), value };
        let process = Process {
            pid: 300,
            boot_id: "b".into(),
            pid_namespace: "n".into(),
            host: "h".into(),
        };
        let opened = |role| Event::WriterOpened {
            role,
            process: process.clone(),
        };
        let started = RunInfo {
            name: "r".into(),
            experiment: text("e"),
            author: text("a"),
            parent: Some(RunId(258)),
            start_us: Some(-2),
            detached: true,
            source: text("s"),
            environment: Environment {
                command: vec!["c".into(), "d".into()],
                cwd: text("/w"),
                host: text("h"),
                os: text("o"),
                cpu: text("p"),
                cpu_count: Some(8),
                git: Some(GitState {
                    commit: text("0f"),
                    branch: None,
                    dirty: Some(true),
                }),
                variables: [("v".to_owned(), "1".to_owned())].into(),
                masked: vec!["m".into()],
            },
        };
        let list = vec![ParamValue::Int(1), ParamValue::List(vec![])];
        let artifact = ArtifactRef {
            media_type: text("t"),
            ..ArtifactRef::new("a/b".into(), BlobId([7; 32]), 70_000, 9)
        };
        let finished = |status, reason| Event::Finished {
            status,
            reason,
            end_us: 5,
        };
        let hash = "07".repeat(32);
        for (what, want) in [
            (opened(Role::Owner), "0000fb2c010162016e0168"),
            (opened(Role::Member), "0001fb2c010162016e0168"),
            (opened(Role::Command), "0002fb2c010162016e0168"),
            (
                Event::RunStarted(Box::new(started)),
                "01017201016501016101fb0201010301010173020163016401022f7701016801016f01017001080101023066000101010176013101016d",
            ),
            (
                Event::RunStarted(Box::default()),
                "0100000000000000000000000000000000",
            ),
            (param(ParamValue::Bool(true)), "02016b0001"),
            (param(ParamValue::Int(-300)), "02016b01fb5702"),
            (param(ParamValue::Float(0.5)), "02016b02000000000000e03f"),
            (param(ParamValue::Text("x".into())), "02016b030178"),
            (param(ParamValue::List(list)), "02016b040201020400"),
            (Event::Note("n".into()), "04016e"),
            (
                Event::Artifact(artifact),
                &*format!("0503612f62{hash}fc7011010001017412"),
            ),
            (finished(Status::Running, None), "0600000a"),
            (finished(Status::Completed, None), "0601000a"),
            (finished(Status::Failed, text("why")), "060201037768790a"),
            (finished(Status::Unknown, None), "0603000a"),
            (Event::Slowed("s".into()), "070173"),
        ] {
            let body = event(-1, &what).unwrap();
            assert_eq!(hex(&body), format!("100101{want}"), "{what:?}"); // version 1
            let read = Record::decode(&body).unwrap();
            let event = what;
            assert_eq!(read, Record::Event { time_us: -1, event });
        }
    }

    /// What version 1 has no words for.
    #[test]
    fn golden_bytes_of_later_events() {
        let plain = ArtifactRef::new("a".into(), BlobId([7; 32]), 5, 9);
        let full = ArtifactRef {
            media_type: Some("t".into()),
            kind: Some("k".into()),
            flow: Flow::Input,
            reference: Some("/r".into()),
            mode: Some(0o644),
            modified_ns: Some(-1),
            ..plain.clone()
        };
        let target = AliasTarget {
            flow: Flow::Output,
            path: "a".into(),
            blob: BlobId([7; 32]),
        };
        let alias = |target| Event::Alias {
            name: Name::new("alias", "m:b").unwrap(),
            target,
        };
        let hash = "07".repeat(32);
        for (what, want) in [
            (
                Event::Artifact(full),
                &*format!("000161{hash}050101741201016b0101022f7201fba4010101"),
            ),
            (alias(Some(target)), &*format!("01036d3a6201000161{hash}")),
            (alias(None), "01036d3a6200"),
        ] {
            let body = event(-1, &what).unwrap();
            assert_eq!(hex(&body), format!("100201{want}"), "{what:?}"); // version 2
            let read = Record::decode(&body).unwrap();
            let event = what;
            assert_eq!(read, Record::Event { time_us: -1, event });
        }
        // What version 1 can say has one encoding.
        let mut body = vec![EVENT, LATER];
        codec::encode(&(-1i64, Later::Artifact(plain)), &mut body).unwrap();
        assert!(Record::decode(&body).is_err());
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes() {
        let mut points = points_header(2, 2, -3, i64::MAX).to_vec();
        points.extend_from_slice(&[0xff; 16]);
        let name = Name::new("metric name", "a/b").unwrap();
        let event_of = |what| event(5, &what).unwrap();
        for body in [
            points,
            metric(1, &name),
            shape(0, &[1, 1]),
            event_of(Event::RunStarted(Box::default())),
            event_of(Event::Param {
                key: name,
                value: ParamValue::List(vec![]),
            }),
            vec![200, 1, 2, 3],
            vec![EVENT, 9],
        ] {
            let record = Record::decode(&body).unwrap();
            assert_eq!(record.encode().unwrap(), body, "{record:?}");
        }
        for bad in [
            &[][..],
            &[1],
            &[1, 1, 0, 0],
            &[2, 1, 1, 0, 0, 0, 0, 0, 65],
            &[16, 1, 0, 250],
        ] {
            assert!(Record::decode(bad).is_err(), "{bad:?}");
        }
    }
}
