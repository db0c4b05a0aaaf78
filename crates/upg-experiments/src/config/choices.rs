//! What a configuration may say, as its reader knows it: every choice, its variants, their fields, and what stands in a field.
//!
//! Nothing here is a list: the reader is asked. It refuses an unknown variant or field by naming those there are, and a text that leaves
//! out what has no default by naming what is missing. So another language can have classes of its own for all that can be written, and
//! none can be forgotten.

use super::experiment::Config;
use super::notation;
use ron::Error;

/// What can stand in a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// One of some variants: the place of the choice in [`Grammar::choices`].
    Choice(usize),
    /// Named fields without a name before them.
    Record(Vec<Field>),
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// A text in quotes, such as the name of a file.
    Text,
    /// Any number of these.
    List(Box<Kind>),
    /// Something else.
    Other,
}

/// A named field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What stands in it.
    pub kind: Kind,
    /// Whether it must be there.
    pub is_required: bool,
}

/// What stands behind the name of a variant.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// Fields with their names, in brackets.
    Named(Vec<Field>),
    /// A value without a name, in brackets.
    Placed(Kind),
}

/// A variant of a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What stands behind it.
    pub content: Content,
}

/// A choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The field that it was first found in.
    pub field: String,
    /// Its variants in their order.
    pub variants: Vec<Variant>,
    /// Whether all of them have been asked about.
    is_known: bool,
}

/// All that a configuration may say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grammar {
    /// The choices, in the order in which a reader of a configuration meets them.
    pub choices: Vec<Choice>,
    /// The sections of a configuration.
    pub sections: Vec<Field>,
}

impl Grammar {
    /// Asks the reader of configurations.
    pub fn of_configurations() -> Self {
        let mut grammar = Self::default();
        let names = fields_of(&Place::default()).expect("a configuration has fields");
        grammar.sections = grammar.fields(&Place::default(), names);
        grammar
    }

    /// The choice that was first found in the field of this name.
    pub fn choice(&self, field: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.field == field)
    }

    /// What stands in `place`, which the field `name` is.
    fn kind(&mut self, place: &Place, name: &str) -> Kind {
        if let Err(Error::NoSuchEnumVariant { expected, .. }) = place.read("None_of_them") {
            return Kind::Choice(self.choice_of(place, name, expected));
        }
        if let Some(names) = fields_of(place) {
            return Kind::Record(self.fields(place, names));
        }
        let plain = [("1.5", Kind::Number), ("1", Kind::Whole), ("\"a\"", Kind::Text)];
        if let Some((_, kind)) = plain.into_iter().find(|(text, _)| place.read(text).is_ok()) {
            return kind;
        }
        let is_list = place.before.len() < DEEPEST && place.read("[]").is_ok() || place.read("[1]").is_ok();
        if is_list { Kind::List(Box::new(self.kind(&place.inside("[", "]"), name))) } else { Kind::Other }
    }

    /// The place of the choice between variants of these names.
    fn choice_of(&mut self, place: &Place, field: &str, names: &'static [&'static str]) -> usize {
        let has_these = |choice: &Choice| choice.variants.iter().map(|variant| variant.name).eq(names.iter().copied());
        let fits = |at: &usize| {
            // One of the same names may have other contents.
            has_these(&self.choices[*at])
                && (!self.choices[*at].is_known || place.read(&self.sample(&Kind::Choice(*at))).is_ok())
        };
        if let Some(found) = (0..self.choices.len()).find(fits) {
            return found;
        }
        let variants = names.iter().map(|name| Variant { name, content: Content::Nothing }).collect();
        self.choices.push(Choice { field: field.to_owned(), variants, is_known: false });
        let at = self.choices.len() - 1;
        for (i, name) in names.iter().enumerate() {
            self.choices[at].variants[i].content = self.content(place, name, field);
        }
        self.choices[at].is_known = true;
        at
    }

    /// What stands behind the name of a variant.
    fn content(&mut self, place: &Place, variant: &str, field: &str) -> Content {
        let inside = place.inside(&format!("{variant}("), ")");
        match inside.read("none_of_them: 0") {
            Err(Error::NoSuchStructField { expected, .. }) => {
                Content::Named(self.fields(&place.inside(variant, ""), expected))
            }
            _ if place.read(variant).is_ok() => Content::Nothing,
            _ => Content::Placed(self.kind(&inside, field)),
        }
    }

    /// The fields of these names between the brackets in `place`.
    fn fields(&mut self, place: &Place, names: &'static [&'static str]) -> Vec<Field> {
        let of = |grammar: &mut Self, name: &'static str| {
            let kind = grammar.kind(&place.inside(&format!("({name}: "), ")"), name);
            Field { name, kind, is_required: false }
        };
        let mut fields: Vec<_> = names.iter().map(|name| of(self, name)).collect();
        let mut text = String::new();
        while let Err(Error::MissingStructField { field, .. }) = place.read(&format!("({text})")) {
            let Some(missing) = fields.iter_mut().find(|known| known.name == field && !known.is_required) else {
                break;
            };
            missing.is_required = true;
            text += &format!("{}: {}, ", missing.name, self.sample(&missing.kind));
        }
        fields
    }

    /// A text that is of this kind.
    fn sample(&self, kind: &Kind) -> String {
        let named = |fields: &[Field]| {
            let required = fields.iter().filter(|field| field.is_required);
            required.map(|field| format!("{}: {}, ", field.name, self.sample(&field.kind))).collect::<String>()
        };
        match kind {
            Kind::Choice(at) => {
                let Variant { name, content } = &self.choices[*at].variants[0];
                match content {
                    Content::Nothing => (*name).to_owned(),
                    Content::Named(fields) => format!("{name}({})", named(fields)),
                    Content::Placed(kind) => format!("{name}({})", self.sample(kind)),
                }
            }
            Kind::Record(fields) => format!("({})", named(fields)),
            Kind::Number | Kind::Whole | Kind::Other => "1".to_owned(),
            Kind::Text => "\"a\"".to_owned(),
            Kind::List(of) => format!("[{}]", self.sample(of)),
        }
    }
}

/// Texts longer than this are in a circle of lists.
const DEEPEST: usize = 1000;

/// A place in a configuration: the texts around it.
#[derive(Clone, Debug, Default)]
struct Place {
    before: String,
    behind: String,
}

impl Place {
    fn inside(&self, before: &str, behind: &str) -> Self {
        Self { before: format!("{}{before}", self.before), behind: format!("{behind}{}", self.behind) }
    }

    /// Reads a configuration with this text in the place; what is missing around it is forgiven.
    fn read(&self, text: &str) -> Result<(), Error> {
        // The blanks keep the end of the place and what is noticed behind it apart.
        let read = notation::options().from_str::<Config>(&format!("{}{text}  {}", self.before, self.behind));
        let end = self.before.len() + text.len();
        match read {
            Err(error) if is_missing(&error.code) && error.span.end.col > end + 1 => Ok(()),
            outcome => outcome.map(drop).map_err(|error| error.code),
        }
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::MissingStructField { .. })
}

/// The names of the fields between the brackets in `place`, if such stand there.
fn fields_of(place: &Place) -> Option<&'static [&'static str]> {
    match place.read("(none_of_them: 0)") {
        Err(Error::NoSuchStructField { expected, .. }) => Some(expected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue::FLOWS;

    fn names<'a>(grammar: &'a Grammar, field: &str) -> Vec<&'a str> {
        grammar.choice(field).unwrap().variants.iter().map(|variant| variant.name).collect()
    }

    #[test]
    fn flows_and_sections_are_those_there_are() {
        let grammar = Grammar::of_configurations();
        assert_eq!(names(&grammar, "flow"), FLOWS.iter().map(|entry| entry.name).collect::<Vec<_>>());
        assert!(names(&grammar, "target").contains(&"Phi4") && names(&grammar, "layers").contains(&"Inverse"));
        let sections: Vec<_> = grammar.sections.iter().map(|field| (field.name, field.is_required)).collect();
        assert_eq!(sections[..2], [("flow", true), ("target", true)]);
        assert!(sections[2..].iter().all(|(_, is_required)| !is_required), "{sections:?}");
    }

    #[test]
    fn what_is_required_is_enough_and_nothing_of_it_may_be_left_out() {
        let grammar = Grammar::of_configurations();
        let read = |field: &str, text: &str| {
            let other = if field == "flow" {
                "target: Gmm(dim: 1)"
            } else {
                "flow: RealNvp(lattice: [1], couplings: 1, hidden: [1])"
            };
            Config::parse(&format!("({field}: {text}, {other})")).map_err(|error| error.to_string())
        };
        for field in ["flow", "target"] {
            for Variant { name, content } in &grammar.choice(field).unwrap().variants {
                let Content::Named(fields) = content else { panic!("{name}") };
                let required: Vec<_> = fields.iter().filter(|field| field.is_required).collect();
                let without = |left_out: &str| {
                    let others = required.iter().filter(|field| field.name != left_out);
                    let texts = others.map(|field| format!("{}: {}, ", field.name, grammar.sample(&field.kind)));
                    format!("{name}({})", texts.collect::<String>())
                };
                read(field, &without("nothing")).unwrap();
                for Field { name, .. } in &required {
                    assert!(read(field, &without(name)).unwrap_err().contains(name), "{}", without(name));
                }
            }
        }
    }

    #[test]
    fn choices_of_the_same_names_are_told_apart() {
        let grammar = Grammar::of_configurations();
        let masks = grammar.choices.iter().filter(|choice| choice.field == "mask");
        let first: Vec<_> = masks.map(|choice| &choice.variants[0].content).collect();
        assert!(matches!(first[..], [Content::Nothing, Content::Placed(Kind::Choice(_)), ..]), "{first:?}");
    }
}
