//! The paper's comparisons on this machine.
//!
//! | module | question |
//! |---|---|
//! | [`table2`] | the cost of the estimators |
//! | [`figures`] | what they are worth: training at equal steps and at equal seconds |

pub mod figures;
pub mod table2;
