//! The random numbers of samples: their words to the bit, what is made of the words to round-off, and their statistics.

mod statistics;
mod values;
mod words;
