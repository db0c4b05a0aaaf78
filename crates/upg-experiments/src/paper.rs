//! The paper's comparisons on this machine.
//!
//! | module | question |
//! |---|---|
//! | [`table2`] | the cost of the estimators |
//! | [`figures`] | what they are worth: training at equal steps and at equal seconds |
//! | [`reproduction`] | both and more, and what they say of each claim of the paper |

pub mod figures;
pub mod reproduction;
pub mod table2;
