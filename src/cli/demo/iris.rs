//! Fisher's iris measurements, 50 flowers of each of three species.
//!
//! Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of
//! Eugenics 7 (1936), 179-188, table I; in the public domain. In the order of the UCI Machine
//! Learning Repository, whose copy differs from Fisher's in the 35th and 38th flower; here they
//! are as Fisher printed them.

use tracker::Error;
use tracker::Result;

/// Lengths and widths of sepal and petal, in centimetres.
pub(super) const FEATURES: [&str; 4] =
    ["sepal_length", "sepal_width", "petal_length", "petal_width"];
/// Species, in the order of their numbers.
pub(super) const CLASSES: [&str; 3] = ["setosa", "versicolor", "virginica"];

/// One flower.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flower {
    /// In the order of [`FEATURES`].
    pub(super) features: [f64; FEATURES.len()],
    /// Number of its species in [`CLASSES`].
    pub(super) class: usize,
}

/// Reads the flowers that are built into the program.
pub(super) fn flowers() -> Result<Vec<Flower>> {
    let lines = include_str!("iris.csv").lines().skip(1);
    lines
        .map(|line| parse(line).ok_or_else(|| broken(line)))
        .collect()
}

fn parse(line: &str) -> Option<Flower> {
    let (numbers, species) = line.rsplit_once(',')?;
    let numbers: Result<Vec<f64>, _> = numbers.split(',').map(str::parse).collect();
    Some(Flower {
        features: numbers.ok()?.try_into().ok()?,
        class: CLASSES.iter().position(|&class| class == species)?,
    })
}

fn broken(line: &str) -> Error {
    Error::Invalid {
        what: "iris data",
        why: format!("want four numbers and a species, have {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flowers_are_fishers() {
        let flowers = flowers().unwrap();
        for class in 0..CLASSES.len() {
            assert_eq!(
                flowers
                    .iter()
                    .filter(|flower| flower.class == class)
                    .count(),
                50
            );
            assert!(
                flowers[class * 50..][..50]
                    .iter()
                    .all(|flower| flower.class == class)
            );
        }
        // Sums over 150 flowers: the means are 5.8433, 3.0573, 3.7580 and 1.1993 cm.
        for (feature, want) in [(0, 876.5), (1, 458.6), (2, 563.7), (3, 179.9)] {
            let sum: f64 = flowers.iter().map(|flower| flower.features[feature]).sum();
            assert!((sum - want).abs() < 1e-9, "{feature}: {sum}");
        }
        // The two that the repository's copy has wrong.
        assert_eq!(Some(&flowers[34]), parse("4.9,3.1,1.5,0.2,setosa").as_ref());
        assert_eq!(Some(&flowers[37]), parse("4.9,3.6,1.4,0.1,setosa").as_ref());
    }

    #[test]
    fn a_broken_line_is_refused() {
        for line in [
            "",
            "5.1,3.5,1.4,setosa",
            "5.1,3.5,1.4,x,setosa",
            "1,2,3,4,rose",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
