//! Names with wildcards, as in a shell: `*` is any text, `?` any character.

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    /// Reads a pattern; none if `text` has no wildcard and is only itself.
    pub fn parse(text: &str) -> Option<Self> {
        text.contains(['*', '?'])
            .then(|| Self(text.chars().collect()))
    }

    /// Tells whether the whole name fits. A `/` is a character like others.
    pub fn matches(&self, name: &str) -> bool {
        // The last `*` may give up one character after the other; those before it need not.
        let mut rest = self.0.as_slice();
        let mut name = name.chars();
        let mut retry: Option<(&[char], std::str::Chars<'_>)> = None;
        loop {
            if let Some((&'*', after)) = rest.split_first() {
                rest = after;
                retry = Some((rest, name.clone()));
                continue;
            }
            let here = name.clone().next();
            match (rest.split_first(), here) {
                (None, None) => return true,
                (Some((want, after)), Some(have)) if *want == '?' || *want == have => {
                    rest = after;
                    name.next();
                    continue;
                }
                _ => {}
            }
            let Some((after, mut from)) = retry else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            retry = Some((after, from.clone()));
            (rest, name) = (after, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition.
    fn fits(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            (['*', rest @ ..], _) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
            ([want, rest @ ..], [have, after @ ..]) => {
                (*want == '?' || want == have) && fits(rest, after)
            }
            (_, []) => false,
        }
    }

    #[test]
    fn a_glob_matches_what_the_definition_says() {
        assert_eq!(Glob::parse("val/loss"), None);
        assert!(Glob::parse("val/*").unwrap().matches("val/loss/ä"));
        arbtest::arbtest(|u| {
            let mut text = |letters: &[char], most: usize| {
                let len = u.int_in_range(0..=most)?;
                let letters = (0..len).map(|_| Ok(*u.choose(letters)?));
                letters.collect::<arbitrary::Result<Vec<char>>>()
            };
            let mut pattern = text(&['a', 'b', '/', '?', '*'], 6)?;
            pattern.push('*');
            pattern.extend(text(&['a', 'b', '*'], 2)?);
            let name = text(&['a', 'b', '/'], 10)?;
            let glob = Glob::parse(&pattern.iter().collect::<String>()).unwrap();
            let matches = glob.matches(&name.iter().collect::<String>());
            assert_eq!(matches, fits(&pattern, &name), "{pattern:?} {name:?}");
            Ok(())
        });
    }
}
