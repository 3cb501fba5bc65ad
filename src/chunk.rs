//! Consecutive values of a series, encoded: columns to bytes and back, bit for bit.
//!
//! The one door to pco. Pure: bytes in, numbers or [`Malformed`] out; how many numbers there are is
//! known to whoever keeps the bytes, so nothing is reserved on a file's word alone.
//!
//! A column of values begins with a byte that tells how it is kept; so does one of integers:
//!
//! | tag | values                         | integers                                  |
//! |----:|--------------------------------|-------------------------------------------|
//! |   0 | each as 8 bytes                | each as 8 bytes                           |
//! |   1 | one value, repeated            | first and stride, 8 bytes each            |
//! |   2 | pco of `f32`, all are exactly  | pco, first differences                    |
//! |   3 | pco of `f64`                   | -                                         |
//!
//! Why not pco's own search for a mode: it is 10 to 50 times slower than what it chooses between.
//! [`Mode::choose`] tries the few ways that pay for training logs on the first values of a series:
//! printed decimals (a multiple of a power of ten), accuracies (of a power of two), smooth curves
//! (differences), else the bits as they are.
//!
//! Levels, by bytes a value and M values/s: noisy f32 3.38 at 583 (0), 3.24 at 214 (1), 3.01 at 101
//! (4); normal f64 8.0 at 182 (0), 7.5 at 120 (1), 7.07 at 85 (4). So f32 takes level 1, which
//! keeps its curves below 3 bytes a point, and f64 noise level 4, which keeps it in a 32 KiB page.

use pco::ChunkConfig;
use pco::DeltaSpec;
use pco::ModeSpec;
use pco::standalone::FileDecompressor;
use pco::standalone::simple_compress_into;
use pco::standalone::simple_decompress_into;
use serde::Deserialize;
use serde::Serialize;

use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::limits::CHUNK_ROWS_MAX;
use crate::model::Summary;

const RAW: u8 = 0;
const SAME: u8 = 1;
const PCO: u8 = 2;
const PCO_F64: u8 = 3;

/// Below so many numbers pco's own header costs more than it saves.
const PCO_ROWS_MIN: usize = 12;
/// How many of the first values [`Mode::choose`] looks at.
const SAMPLE_ROWS: usize = 256;
/// Level of pco's effort, but for noise.
const LEVEL: usize = 1;
/// Level for values that take many bytes, if it saves some: 3 to 7 % of noise in doubles.
const NOISE_LEVEL: usize = 4;
/// Values of so many bytes are taken for noise ..
const NOISE_BYTES: usize = 5;
/// .. and the level is chosen by so many of them, for its tables weigh on fewer.
const NOISE_ROWS: usize = 2_048;

/// What is known of a chunk without decoding it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// Values that are NaN.
    pub nan_count: u32,
    /// Smallest value; infinity when all are NaN.
    pub min: f64,
    /// Largest value; minus infinity when all are NaN.
    pub max: f64,
    /// Sum of the finite values.
    pub sum: f64,
}

impl Stats {
    /// Takes the stats from the summary of some values.
    pub fn of(summary: &Summary) -> Self {
        Self {
            nan_count: u32::try_from(summary.nan_count).unwrap_or(u32::MAX),
            min: summary.min.map_or(f64::INFINITY, |min| min.value),
            max: summary.max.map_or(f64::NEG_INFINITY, |max| max.value),
            sum: summary.sum.value(),
        }
    }

    /// Takes the stats from some values.
    pub fn of_values(values: &[f64]) -> Self {
        let mut summary = Summary::default();
        summary.add_values(values);
        let numbers = || values.iter().copied().filter(|value| !value.is_nan());
        Self {
            min: numbers().min_by(f64::total_cmp).unwrap_or(f64::INFINITY),
            max: numbers()
                .max_by(f64::total_cmp)
                .unwrap_or(f64::NEG_INFINITY),
            ..Self::of(&summary)
        }
    }
}

/// How the values of a series are encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Values are near multiples of this.
    multiple: Option<f64>,
    /// Differences are smaller than values.
    smooth: bool,
    /// How hard pco looks for what values have in common.
    level: usize,
}

impl Mode {
    /// Returns whether there are values enough to choose by.
    pub fn can_choose(values: &[f64]) -> bool {
        values.len() >= 2 * PCO_ROWS_MIN
    }

    /// Chooses a mode from the first values of a series.
    pub fn choose(values: &[f64]) -> Self {
        let plain = Self {
            multiple: None,
            smooth: false,
            level: LEVEL,
        };
        let sample = values.get(..SAMPLE_ROWS).unwrap_or(values);
        if !Self::can_choose(sample) {
            return plain;
        }
        let candidates = [None, multiple_of(sample)];
        let tried = if candidates[1].is_some() {
            &candidates[..]
        } else {
            &candidates[..1]
        };
        let mut bytes = Vec::new();
        tried
            .iter()
            .flat_map(|&multiple| {
                [false, true].map(|smooth| Self {
                    multiple,
                    smooth,
                    ..plain
                })
            })
            .filter_map(|mode| Some((mode.encoded_len(sample, &mut bytes)?, mode)))
            .min_by_key(|(len, _)| *len)
            .map_or(plain, |(len, mode)| mode.or_harder(values, len, &mut bytes))
    }

    /// Returns the mode at the higher level, if that pays: for noise of doubles it does.
    ///
    /// - `len`: bytes of the first [`SAMPLE_ROWS`] values
    fn or_harder(self, values: &[f64], len: usize, bytes: &mut Vec<u8>) -> Self {
        let sample = values.get(..NOISE_ROWS).unwrap_or_default();
        if len < SAMPLE_ROWS * NOISE_BYTES || sample.is_empty() {
            return self;
        }
        let harder = Self {
            level: NOISE_LEVEL,
            ..self
        };
        let lens = (
            self.encoded_len(sample, bytes),
            harder.encoded_len(sample, bytes),
        );
        match lens {
            (Some(len), Some(harder_len)) if harder_len * 100 < len * 97 => harder,
            _ => self,
        }
    }

    fn encoded_len(self, values: &[f64], bytes: &mut Vec<u8>) -> Option<usize> {
        bytes.clear();
        self.encode(values, bytes).ok().map(|()| bytes.len())
    }

    /// Appends the encoded values to `out`.
    ///
    /// - `values`: 1 to [`CHUNK_ROWS_MAX`], any bits
    ///
    /// # Errors
    /// [`Malformed`] if there are none or too many.
    pub fn encode(self, values: &[f64], out: &mut Vec<u8>) -> Result<(), Malformed> {
        check_rows(values.len())?;
        if let Some(value) = all_same(values) {
            out.push(SAME);
            out.extend_from_slice(&value.to_le_bytes());
            return Ok(());
        }
        let start = out.len();
        if values.len() >= PCO_ROWS_MIN {
            if let Some(narrow) = as_f32(values) {
                out.push(PCO);
                simple_compress_into(&narrow, &self.config(), &mut *out)
            } else {
                out.push(PCO_F64);
                simple_compress_into(values, &self.config(), &mut *out)
            }
            .map_err(|why| Malformed::new(why.to_string()))?;
        }
        if out.len() == start || out.len() - start > values.len() * 8 {
            out.truncate(start);
            out.push(RAW);
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Ok(())
    }

    fn config(self) -> ChunkConfig {
        let mode = self
            .multiple
            .map_or(ModeSpec::Classic, ModeSpec::TryFloatMult);
        let delta = if self.smooth {
            DeltaSpec::TryConsecutive(1)
        } else {
            DeltaSpec::NoOp
        };
        ChunkConfig::default()
            .with_compression_level(self.level)
            .with_mode_spec(mode)
            .with_delta_spec(delta)
    }
}

/// Appends `rows` decoded values to `out`.
///
/// # Errors
/// [`Malformed`] if `bytes` are not that many values.
pub fn decode_values(bytes: &[u8], rows: usize, out: &mut Vec<f64>) -> Result<(), Malformed> {
    check_rows(rows)?;
    let mut bytes = Bytes(bytes);
    let start = out.len();
    match bytes.u8()? {
        RAW => {
            for _ in 0..rows {
                out.push(bytes.f64()?);
            }
        }
        SAME => {
            let value = bytes.f64()?;
            out.resize(start + rows, value);
        }
        PCO => {
            let mut narrow = vec![0f32; rows];
            decode_pco(bytes.0, &mut narrow)?;
            out.extend(narrow.into_iter().map(widen));
            return Ok(());
        }
        PCO_F64 => {
            out.resize(start + rows, 0.0);
            return decode_pco(bytes.0, out.get_mut(start..).unwrap_or_default());
        }
        tag => {
            return Err(Malformed::new(format!(
                "values are kept in an unknown way, {tag}"
            )));
        }
    }
    check_end(&bytes)
}

/// Appends encoded integers (steps, times, places) to `out`.
///
/// # Errors
/// [`Malformed`] if there are none or too many.
pub fn encode_ints(ints: &[i64], out: &mut Vec<u8>) -> Result<(), Malformed> {
    check_rows(ints.len())?;
    if let Some((first, stride)) = progression(ints) {
        out.push(SAME);
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&stride.to_le_bytes());
        return Ok(());
    }
    let start = out.len();
    if ints.len() >= PCO_ROWS_MIN {
        out.push(PCO);
        let config = ChunkConfig::default()
            .with_compression_level(4)
            .with_mode_spec(ModeSpec::Classic)
            .with_delta_spec(DeltaSpec::TryConsecutive(1));
        simple_compress_into(ints, &config, &mut *out)
            .map_err(|why| Malformed::new(why.to_string()))?;
    }
    if out.len() == start || out.len() - start > ints.len() * 8 {
        out.truncate(start);
        out.push(RAW);
        out.extend(ints.iter().flat_map(|int| int.to_le_bytes()));
    }
    Ok(())
}

/// Appends `rows` decoded integers to `out`.
///
/// # Errors
/// [`Malformed`] if `bytes` are not that many integers.
pub fn decode_ints(bytes: &[u8], rows: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    check_rows(rows)?;
    let mut bytes = Bytes(bytes);
    let start = out.len();
    match bytes.u8()? {
        RAW => {
            for _ in 0..rows {
                out.push(bytes.i64()?);
            }
        }
        SAME => {
            let (first, stride) = (bytes.i64()?, bytes.i64()?);
            let rows = i64::try_from(rows).unwrap_or(0);
            out.extend((0..rows).map(|row| first.wrapping_add(stride.wrapping_mul(row))));
        }
        PCO => {
            out.resize(start + rows, 0);
            return decode_pco(bytes.0, out.get_mut(start..).unwrap_or_default());
        }
        tag => {
            return Err(Malformed::new(format!(
                "integers are kept in an unknown way, {tag}"
            )));
        }
    }
    check_end(&bytes)
}

fn decode_pco<T: pco::data_types::Number>(bytes: &[u8], out: &mut [T]) -> Result<(), Malformed> {
    // No mode of ours has a dictionary, for which pco makes room before it looks whether it is
    // there: 256 MiB at the word of three bytes. Behind its headers stand the type of the numbers,
    // their count in three bytes, and in four bits the mode.
    const MODE_AT: usize = 4;
    const DICTIONARY: u8 = 4;
    let (_, chunk) = FileDecompressor::new(bytes).map_err(|why| Malformed::new(why.to_string()))?;
    if chunk
        .get(MODE_AT)
        .is_some_and(|byte| byte & 0xf == DICTIONARY)
    {
        return Err(Malformed::new(
            "a dictionary, which nobody writes".to_owned(),
        ));
    }
    let progress =
        simple_decompress_into(bytes, out).map_err(|why| Malformed::new(why.to_string()))?;
    if progress.n_processed == out.len() && progress.finished {
        Ok(())
    } else {
        let (want, have) = (out.len(), progress.n_processed);
        Err(Malformed::new(format!(
            "want {want} numbers, have {have} or more"
        )))
    }
}

fn check_rows(rows: usize) -> Result<(), Malformed> {
    if (1..=CHUNK_ROWS_MAX).contains(&rows) {
        Ok(())
    } else {
        Err(Malformed::new(format!(
            "a chunk of {rows} rows, want 1 to {CHUNK_ROWS_MAX}"
        )))
    }
}

fn check_end(bytes: &Bytes<'_>) -> Result<(), Malformed> {
    if bytes.0.is_empty() {
        Ok(())
    } else {
        Err(Malformed::new(format!(
            "{} bytes after the last number",
            bytes.0.len()
        )))
    }
}

/// The value that all are, bit for bit.
fn all_same(values: &[f64]) -> Option<f64> {
    let (first, rest) = values.split_first()?;
    rest.iter()
        .all(|value| value.to_bits() == first.to_bits())
        .then_some(*first)
}

/// The values as `f32`, if that loses no bit of any.
fn as_f32(values: &[f64]) -> Option<Vec<f32>> {
    let narrow: Vec<f32> = values.iter().map(|value| narrow(*value)).collect();
    let same = narrow
        .iter()
        .zip(values)
        .all(|(a, b)| widen(*a).to_bits() == b.to_bits());
    same.then_some(narrow)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller compares the bits"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn widen(value: f32) -> f64 {
    f64::from(value)
}

/// First and stride, if the integers are an arithmetic progression (wrapping).
fn progression(ints: &[i64]) -> Option<(i64, i64)> {
    let first = *ints.first()?;
    let stride = ints.get(1).map_or(0, |second| second.wrapping_sub(first));
    let steady = ints
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if b.wrapping_sub(*a) == stride));
    steady.then_some((first, stride))
}

/// The power of ten or two that nearly all values are multiples of, if there is one.
///
/// Decimals: a value printed with k digits is the float nearest to a multiple of 10^-k.
fn multiple_of(values: &[f64]) -> Option<f64> {
    let fits = |is_multiple: &dyn Fn(f64) -> bool| {
        let misses = values.iter().filter(|value| !is_multiple(**value)).count();
        misses * 20 <= values.len()
    };
    let decimals = (0..=9).map(|k| 10f64.powi(k)).find(|&scale| {
        fits(&|value| {
            let scaled = (value * scale).round();
            scaled.abs() < 1e15 && (scaled / scale).to_bits() == value.to_bits()
        })
    });
    let binary = (4..=16)
        .step_by(4)
        .map(|k| 2f64.powi(k))
        .find(|&scale| fits(&|value| (value * scale).fract() == 0.0 && value.abs() * scale < 1e9));
    // The coarser one: 129/256 is also a decimal of eight digits.
    decimals
        .into_iter()
        .chain(binary)
        .reduce(f64::min)
        .map(|scale| 1.0 / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;
    use crate::codec::unhex;

    #[test]
    fn a_dictionary_is_refused_before_room_is_made_for_it() {
        let bytes = [
            3, 112, 99, 111, 33, 3, 6, 5, 10, 4, 65, 6, 39, 0, 0, 52, 0, 0, 22,
        ];
        let refused = decode_values(&bytes, 40, &mut Vec::new()).unwrap_err();
        assert!(refused.to_string().contains("dictionary"), "{refused}");
    }

    fn round_trip(values: &[f64]) -> usize {
        let mut bytes = Vec::new();
        Mode::choose(values).encode(values, &mut bytes).unwrap();
        let mut back = Vec::new();
        decode_values(&bytes, values.len(), &mut back).unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(values));
        bytes.len()
    }

    /// What was written is read for ever. How pco lays out its own bytes may change with it, so
    /// those are only read here.
    #[test]
    fn golden_bytes() {
        let narrow: Vec<f64> = (0..12).map(|i| f64::from(i * i) / 8.0).collect();
        let wide: Vec<f64> = (0..30).map(|i| f64::from(i) / 10.0).collect();
        let odd = f64::from_bits(0xfff8_0000_0000_0001);
        for (values, want, is_ours) in [
            (&[0.5, odd][..], "00000000000000e03f010000000000f8ff", true), // version 1
            (&[odd; 3][..], "01010000000000f8ff", true),
            (
                &narrow[..],
                "0270636f21030503030401050b000000100000000000fc00000000000000001f0000c00f0000f20700000004004002020040020100888100000041000091200000521000402e0800",
                false,
            ),
            (
                &wide[..],
                "0370636f21030684070401061d0000a2999999999999fb1b0101800000000000000040000400feffffffffffffff02000000000000008037af750e00",
                false,
            ),
        ] {
            let mut bytes = Vec::new();
            Mode::choose(values).encode(values, &mut bytes).unwrap();
            assert!(!is_ours || hex(&bytes) == want, "{}", hex(&bytes));
            let mut back = Vec::new();
            decode_values(&unhex(want), values.len(), &mut back)
                .unwrap_or_else(|why| panic!("{why} {}", hex(&bytes)));
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back), bits(values));
        }
        let squares: Vec<i64> = (0..12).map(|i| i * i).collect();
        for (ints, want, is_ours) in [
            (
                &[5, -1, 7][..],
                "000500000000000000ffffffffffffffff0700000000000000",
                true,
            ),
            (&[5, 3, 1][..], "010500000000000000feffffffffffffff", true),
            (
                &squares[..],
                "0270636f21030403030401040b00001001018000000000000000c00200000000000000804010831473505200",
                false,
            ),
        ] {
            let mut bytes = Vec::new();
            encode_ints(ints, &mut bytes).unwrap();
            assert!(!is_ours || hex(&bytes) == want, "{}", hex(&bytes));
            let mut back = Vec::new();
            decode_ints(&unhex(want), ints.len(), &mut back)
                .unwrap_or_else(|why| panic!("{why} {}", hex(&bytes)));
            assert_eq!(back, ints);
        }
    }

    #[test]
    fn any_bits_survive_a_round_trip() {
        arbtest::arbtest(|u| {
            let rows = u.int_in_range(1..=600)?;
            let narrow: bool = u.arbitrary()?;
            let digits = u.int_in_range(0..=12)?;
            let values = (0..rows)
                .map(|_| {
                    Ok(match u.int_in_range(0..=20)? {
                        0 => f64::from_bits(u.arbitrary()?),
                        1 => [f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE, f64::MAX]
                            [u.choose_index(5)?],
                        _ if narrow => f64::from(f32::from_bits(u.arbitrary()?)),
                        _ => {
                            let scale = 10f64.powi(digits);
                            f64::from(u.arbitrary::<i32>()?) / scale
                        }
                    })
                })
                .collect::<arbitrary::Result<Vec<f64>>>()?;
            round_trip(&values);
            Ok(())
        });
    }

    #[test]
    fn any_integers_survive_a_round_trip() {
        arbtest::arbtest(|u| {
            let rows = u.int_in_range(1..=600)?;
            let wide: bool = u.arbitrary()?;
            let mut at: i64 = u.arbitrary()?;
            let ints = (0..rows)
                .map(|_| {
                    let step: i64 = if wide {
                        u.arbitrary()?
                    } else {
                        u.int_in_range(0..=3)?
                    };
                    at = at.wrapping_add(step);
                    Ok(at)
                })
                .collect::<arbitrary::Result<Vec<i64>>>()?;
            let mut bytes = Vec::new();
            encode_ints(&ints, &mut bytes).unwrap();
            let mut back = Vec::new();
            decode_ints(&bytes, ints.len(), &mut back).unwrap();
            assert_eq!(back, ints);
            assert!(
                decode_ints(&bytes, ints.len() + 1, &mut Vec::new()).is_err()
                    || rows == 1
                    || bytes[0] == SAME
            );
            Ok(())
        });
    }

    #[test]
    fn what_trainings_log_gets_small() {
        let mut state = 1u64;
        let mut noise = || {
            let uniform = |state: &mut u64| {
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (*state >> 11) as f64 / (1u64 << 53) as f64
            };
            (0..12).map(|_| uniform(&mut state)).sum::<f64>() - 6.0
        };
        let rows = CHUNK_ROWS_MAX;
        let bytes_per_value = |values: Vec<f64>| round_trip(&values) as f64 / rows as f64;
        let loss = (0..rows)
            .map(|_| widen(narrow(0.1 * noise() + 1.0)))
            .collect();
        let decimals = (0..rows).map(|_| (noise() * 1e4).round() / 1e4).collect();
        let accuracy = (0..rows)
            .map(|_| ((noise() * 10.0).round() + 128.0) / 256.0)
            .collect();
        for (what, values, most) in [
            ("noisy f32", loss, 3.2),
            ("printed decimals", decimals, 2.5),
            ("accuracies", accuracy, 1.0),
            ("constant", vec![3e-4; rows], 0.01),
        ] {
            let bytes = bytes_per_value(values);
            assert!(bytes < most, "{what}: {bytes} bytes a value");
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_decode_to_as_many_numbers() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i).sqrt()).collect();
        let mut bytes = Vec::new();
        Mode::choose(&values).encode(&values, &mut bytes).unwrap();
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let mut back = Vec::new();
                if decode_values(&damaged, values.len(), &mut back).is_ok() {
                    assert_eq!(back.len(), values.len());
                }
            }
            assert!(decode_values(&bytes[..at], values.len(), &mut Vec::new()).is_err());
        }
    }
}
