//! The sources behind an instance: one, or those of an environment.

use crate::error::{Error, Result};
use crate::format::manifest::Component;
use crate::ops::capture::Capture;
use crate::source::access::{Place, Settings};
use crate::source::kind::{Capturing, Description, Source};
use crate::source::kinds::kind_of;
use crate::source::url::SourceUrl;

use super::catalog::Catalog;
use super::environment::Environment;
use super::{Service, settings};

/// The one component of an instance that is a single source.
pub(super) const COMPONENT: &str = "data";

/// One source of an instance.
pub(super) struct Part {
    /// The component's name.
    pub name: String,
    /// Where its data is.
    pub source: Box<dyn Source>,
    /// Whether it is captured only when it is asked for.
    pub optional: bool,
    before: Option<String>,
    after: Option<String>,
}

/// All sources of an instance, in the order in which they are captured.
pub(super) struct Parts {
    pub parts: Vec<Part>,
    freeze: Option<String>,
    thaw: Option<String>,
    /// Whether they are an environment's.
    pub is_environment: bool,
}

impl Parts {
    /// Leaves out the optional parts that are not among `include`. Names that are none are an error.
    pub fn including(mut self, include: &[String]) -> Result<Self> {
        if let Some(unknown) = include.iter().find(|name| !self.parts.iter().any(|part| part.name == **name)) {
            let known: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
            let which = match self.is_environment {
                true => format!("its components are {}", known.join(", ")),
                false => "it is no environment, and has just one source".to_string(),
            };
            return Err(Error::Usage(format!("{unknown:?} is no component of the instance: {which}")));
        }
        self.parts.retain(|part| !part.optional || include.contains(&part.name));
        Ok(self)
    }

    /// Reaches each, and says what it is.
    pub fn describe(&self) -> Result<Vec<Description>> {
        let described = |part: &Part| part.source.describe().map_err(|error| self.of_part(part, error));
        self.parts.iter().map(described).collect()
    }

    /// Captures all parts, with the commands before and after.
    pub fn capture(&self, place: &Place, capture: &Capture<'_>) -> Result<Vec<Component>> {
        let mut undo = Commands { place, left: Vec::new() };
        let captured = self.capture_between(&mut undo, place, capture);
        // What was stopped is started again whatever happened; the first failure is the one to report.
        let undone = undo.run();
        captured.and_then(|components| undone.map(|()| components))
    }

    fn capture_between<'p>(
        &'p self,
        undo: &mut Commands<'p>,
        place: &Place,
        capture: &Capture<'_>,
    ) -> Result<Vec<Component>> {
        undo.left.extend(self.thaw.as_deref().map(|command| ("the thaw command", command)));
        if let Some(freeze) = &self.freeze {
            place.programs.shell("the freeze command", freeze)?;
        }
        for part in &self.parts {
            undo.left.extend(part.after.as_deref().map(|command| ("the command after the snapshot", command)));
            if let Some(before) = &part.before {
                place.programs.shell("the command before the snapshot", before)?;
            }
        }
        // All points in time first, then the data: that is as close together as they can be.
        let begun: Vec<Box<dyn Capturing + '_>> = self
            .parts
            .iter()
            .map(|part| part.source.begin(capture.progress).map_err(|error| self.of_part(part, error)))
            .collect::<Result<_>>()?;
        let parts = self.parts.iter().zip(begun);
        parts.map(|(part, begun)| begun.store(capture, &part.name).map_err(|error| self.of_part(part, error))).collect()
    }

    /// In an environment, an error says of which component it is.
    pub fn of_part(&self, part: &Part, error: Error) -> Error {
        if self.is_environment { error.with_context(&format!("component {:?}", part.name)) } else { error }
    }
}

/// Commands that are to be run at the end, the last first.
struct Commands<'p> {
    place: &'p Place,
    left: Vec<(&'static str, &'p str)>,
}

impl Commands<'_> {
    fn run(self) -> Result<()> {
        let run = |(what, command): (&str, &str)| self.place.programs.shell(what, command);
        // Each is run, though one before it failed.
        self.left.into_iter().rev().map(run).fold(Ok(()), Result::and)
    }
}

impl Service {
    /// The components of an instance that are captured only where they are asked for, by their names.
    pub fn optional_components(&self, name: &str) -> Result<Vec<String>> {
        let parts = self.parts_of(&self.catalog()?, name)?.parts;
        Ok(parts.into_iter().filter(|part| part.optional).map(|part| part.name).collect())
    }

    /// The sources of a defined instance.
    pub(super) fn parts_of(&self, catalog: &Catalog, instance: &str) -> Result<Parts> {
        self.parts_with(catalog, instance, false)
    }

    /// The sources of a defined instance, perhaps leaving out what cannot be read.
    pub(super) fn parts_with(&self, catalog: &Catalog, instance: &str, skip_unreadable: bool) -> Result<Parts> {
        let definition = catalog.definition(instance)?;
        let url = definition.record.source.as_deref().ok_or_else(|| {
            Error::Refused(format!(
                "instance {instance:?} has no source: it lives in the repository alone; `snaphold load {instance} FILE` brings data in, and --to DIR takes it out"
            ))
        })?;
        let always_read = definition.record.always_read;
        let settings = Settings { skip_unreadable, always_read, ..settings::of_source(&definition.settings)? };
        self.parts(&url.parse()?, &settings)
    }

    /// The sources behind a URL.
    pub(super) fn parts(&self, url: &SourceUrl, settings: &Settings) -> Result<Parts> {
        let excluded = self.excluded.clone();
        if !url.is_environment() {
            let password = self.password_given.clone().or_else(|| settings.password.clone());
            let settings = Settings { password, excluded, ..settings.clone() };
            let part = self.part(COMPONENT, url, &settings, false)?;
            return Ok(Parts { parts: vec![part], freeze: None, thaw: None, is_environment: false });
        }
        let environment = Environment::read(url.path()?)?;
        let mut parts = Vec::new();
        for component in &environment.components {
            // One password cannot be that of several: here each comes from its own place.
            let (url, own) = component.endpoint()?;
            let settings = Settings {
                always_read: own.always_read || settings.always_read,
                skip_unreadable: settings.skip_unreadable,
                excluded: excluded.clone(),
                ..own
            };
            parts.push(self.part(&component.name, &url, &settings, component.optional)?);
        }
        let Settings { before, after, .. } = settings;
        let freeze = environment.freeze.or_else(|| before.clone());
        let thaw = environment.thaw.or_else(|| after.clone());
        Ok(Parts { parts, freeze, thaw, is_environment: true })
    }

    fn part(&self, name: &str, url: &SourceUrl, settings: &Settings, optional: bool) -> Result<Part> {
        let source = kind_of(url)?.source(url, settings, &self.place)?;
        let (before, after) = (settings.before.clone(), settings.after.clone());
        Ok(Part { name: name.to_string(), source, optional, before, after })
    }
}
