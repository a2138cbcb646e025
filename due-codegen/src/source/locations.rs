//! Where the declarations of a file are, and what is commented. A large schema has a million of these: descriptors take
//! five times the memory for them.

use std::cmp::Ordering;
use std::ops::Range;

use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{FileDescriptorProto, SourceCodeInfo};

use super::{UNINTERPRETED, bytes};
use crate::diagnostic::Source;

/// By descriptor path. `extend` blocks and repeated statements share a path; the first one counts.
#[derive(Debug, Default)]
pub(super) struct Locations {
    /// In the order of their paths.
    entries: Vec<Entry>,
    paths: Vec<i32>,
    comments: Vec<Comments>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where in the paths its own begins.
    path: u32,
    steps: u16,
    has_comments: bool,
    start: u32,
    end: u32,
    /// Which of the comments are its own, if it has some.
    comments: u32,
}

/// What stands above and behind a declaration; empty if there is nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Comments {
    pub(super) leading: Box<str>,
    pub(super) trailing: Box<str>,
}

impl Locations {
    /// Takes those out of a file that was just parsed which the pool has no need for: it moves the positions of options,
    /// and looks up others for the sake of errors alone.
    pub(super) fn take(file: &mut FileDescriptorProto, source: &Source) -> Self {
        let all = file.source_code_info.take().unwrap_or_default().location;
        let (options, rest): (Vec<Location>, Vec<Location>) =
            all.into_iter().partition(|location| location.path.contains(&UNINTERPRETED));
        file.source_code_info = Some(SourceCodeInfo { location: options });
        let mut locations = Self::default();
        rest.iter().for_each(|location| locations.add(location, source));
        locations
    }

    /// The same with those of `info`, to be asked.
    pub(super) fn with(mut self, info: Option<&SourceCodeInfo>, source: &Source) -> Self {
        info.iter().flat_map(|info| &info.location).for_each(|location| self.add(location, source));
        let paths = &self.paths;
        self.entries.sort_by(|a, b| a.path(paths).cmp(b.path(paths)));
        self.entries.dedup_by(|b, a| a.path(paths) == b.path(paths));
        self.entries.shrink_to_fit();
        self.paths.shrink_to_fit();
        self.comments.shrink_to_fit();
        self
    }

    fn add(&mut self, location: &Location, source: &Source) {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = bytes(source, &location.span);
        let (leading, trailing) = (location.leading_comments(), location.trailing_comments());
        let has_comments = !leading.is_empty() || !trailing.is_empty();
        self.entries.push(Entry {
            path: number(self.paths.len()),
            steps: u16::try_from(location.path.len()).unwrap_or(u16::MAX),
            has_comments,
            start: number(span.start),
            end: number(span.end),
            comments: number(self.comments.len()),
        });
        self.paths.extend(&location.path);
        if has_comments {
            self.comments.push(Comments { leading: leading.into(), trailing: trailing.into() });
        }
    }

    pub(super) fn span(&self, path: &[i32]) -> Option<Range<usize>> {
        self.entries.get(self.find(path).ok()?).map(Entry::span)
    }

    pub(super) fn comments(&self, path: &[i32]) -> Option<&Comments> {
        let entry = self.entries.get(self.find(path).ok()?)?;
        self.comments.get(entry.comments as usize).filter(|_| entry.has_comments)
    }

    /// All that lie below a path, or at it.
    pub(super) fn below(&self, path: &[i32]) -> impl Iterator<Item = (&[i32], Range<usize>)> {
        let start = self.find(path).unwrap_or_else(|at| at);
        let entries = self.entries.iter().skip(start).map(|entry| (entry.path(&self.paths), entry.span()));
        entries.take_while(move |(found, _)| found.starts_with(path))
    }

    fn find(&self, path: &[i32]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| -> Ordering { entry.path(&self.paths).cmp(path) })
    }
}

impl Entry {
    fn path<'a>(&self, paths: &'a [i32]) -> &'a [i32] {
        &paths[self.path as usize..][..usize::from(self.steps)]
    }

    fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_path_counts_and_what_is_below_it_is_found() {
        let source = Source::new("a.proto", "0123456789\n");
        let location = |path: &[i32], start: i32, comment: &str| Location {
            path: path.to_vec(),
            span: vec![0, start, start + 1],
            leading_comments: Some(comment.to_owned()).filter(|comment| !comment.is_empty()),
            ..Location::default()
        };
        let option = [4, 0, 7, UNINTERPRETED, 0];
        let all = [
            location(&[4, 1], 5, ""),
            location(&[4, 0, 1], 2, "name"),
            location(&option, 3, ""),
            location(&[4, 0], 1, "first"),
            location(&[4, 0], 4, "second"),
        ];
        let mut file = FileDescriptorProto {
            source_code_info: Some(SourceCodeInfo { location: all.to_vec() }),
            ..FileDescriptorProto::default()
        };
        let locations = Locations::take(&mut file, &source);
        assert_eq!(file.source_code_info.as_ref().unwrap().location, [all[2].clone()]);
        let locations = locations.with(file.source_code_info.as_ref(), &source);
        assert_eq!(locations.span(&[4, 0]), Some(1..2));
        assert_eq!(&*locations.comments(&[4, 0]).unwrap().leading, "first");
        assert_eq!((locations.span(&[4]), locations.comments(&[4, 1]).is_none()), (None, true));
        let below: Vec<_> = locations.below(&[4, 0]).collect();
        assert_eq!(below, [([4, 0].as_slice(), 1..2), (&[4, 0, 1], 2..3), (&option, 3..4)]);
        assert_eq!(locations.below(&[]).count(), 4);
    }
}
