//! The runs that the arguments describe.

use super::SweepArgs;
use crate::Error;
use crate::commands::config::check;
use crate::config::{Axis, ConfigFile, DeviceName, Override};
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// More runs than these are a mistake.
const MOST_RUNS: usize = 10_000;

/// The field that `--seeds` varies.
const SEED: &str = "training.seed";

/// The seeds of every point of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// So many, from that of the configuration on.
    Number(u64),
    /// These.
    These(Vec<u64>),
}

impl FromStr for Seeds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let accepted = "accepted is how many, at least 1, or a list of different ones with commas: 1,5,7";
        let mut seeds =
            text.split(',').map(|seed| seed.trim().parse()).collect::<Result<Vec<u64>, _>>().map_err(|_| accepted)?;
        match &seeds[..] {
            [0] => Err(accepted),
            &[number] => Ok(Self::Number(number)),
            _ => {
                let all = seeds.clone();
                seeds.sort_unstable();
                if seeds.windows(2).any(|pair| pair[0] == pair[1]) { Err(accepted) } else { Ok(Self::These(all)) }
            }
        }
    }
}

/// A run to be made.
#[derive(Debug)]
pub(super) struct PlannedRun {
    /// Of each field of the grid.
    pub values: Vec<String>,
    pub seed: u64,
    pub file: ConfigFile,
}

/// All runs to be made, every one of them accepted.
#[derive(Debug)]
pub(super) struct Plan {
    /// The fields of the grid.
    pub fields: Vec<String>,
    pub runs: Vec<PlannedRun>,
}

impl Plan {
    /// # Errors
    /// If the configuration isn't accepted, or one of the grid's.
    pub fn new(config: &Path, args: &SweepArgs) -> Result<Self, Error> {
        let base = ConfigFile::read_with(config, &args.set)?;
        check_fields(&args.grid, &args.set)?;
        let seeds = seeds(args.seeds.as_ref(), base.config.training.seed, &args.set)?;
        check_number(&args.grid, seeds.len())?;
        let mut runs = vec![];
        for values in product(&args.grid) {
            let overrides: Vec<_> = args.grid.iter().zip(&values).map(|(axis, value)| axis.set(value)).collect();
            let file = base.clone().with(&overrides)?;
            accept(&file, args.place.device)?;
            for &seed in &seeds {
                let mut file = file.clone();
                file.config.training.seed = seed;
                runs.push(PlannedRun { values: values.clone(), seed, file });
            }
        }
        check_different(&args.grid, &runs)?;
        Ok(Self { fields: args.grid.iter().map(|axis| axis.field.clone()).collect(), runs })
    }
}

/// What `upg train` would say, and `upg config check`.
fn accept(file: &ConfigFile, device: DeviceName) -> Result<(), Error> {
    match device {
        DeviceName::Cpu => file.check_memory()?,
        _ => file.check()?,
    }
    file.check_products(device)?;
    check(file).map(drop)
}

fn check_fields(grid: &[Axis], set: &[Override]) -> Result<(), Error> {
    for (i, Axis { field, .. }) in grid.iter().enumerate() {
        if field == SEED {
            return Err(Error::Usage(format!("--grid {SEED}: accepted is --seeds, over which results are averaged")));
        }
        if grid[..i].iter().any(|before| before.field == *field) {
            return Err(Error::Usage(format!("--grid {field}: given twice: accepted is one list of all its values")));
        }
        if set.iter().any(|set| set.field == *field) {
            return Err(Error::Usage(format!(
                "--set {field}: accepted is it, or --grid with the same field, not both"
            )));
        }
    }
    Ok(())
}

fn seeds(seeds: Option<&Seeds>, first: u64, set: &[Override]) -> Result<Vec<u64>, Error> {
    match seeds {
        None => Ok(vec![first]),
        Some(&Seeds::Number(number)) if number > MOST_RUNS as u64 => {
            Err(Error::Usage(format!("--seeds = {number}: accepted are up to {MOST_RUNS} runs")))
        }
        Some(&Seeds::Number(number)) => Ok((0..number).map(|i| first.wrapping_add(i)).collect()),
        Some(Seeds::These(_)) if set.iter().any(|set| set.field == SEED) => {
            Err(Error::Usage(format!("--set {SEED}: accepted is it, or --seeds with a list, not both")))
        }
        Some(Seeds::These(seeds)) => Ok(seeds.clone()),
    }
}

fn check_number(grid: &[Axis], seeds: usize) -> Result<(), Error> {
    let points = grid.iter().try_fold(seeds, |points, axis| points.checked_mul(axis.values.len()));
    match points {
        Some(..=MOST_RUNS) => Ok(()),
        _ => {
            let all = points.map_or("too many runs".into(), |points| format!("{points} runs"));
            Err(Error::Usage(format!("--grid: {all}: accepted are up to {MOST_RUNS}")))
        }
    }
}

/// Two runs that are the same would be averaged as if they were independent.
fn check_different(grid: &[Axis], runs: &[PlannedRun]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for run in runs {
        if let Some(before) = seen.insert(run.file.config.to_ron(), &run.values) {
            let differing = grid.iter().zip(before.iter().zip(&run.values)).find(|(_, (one, other))| one != other);
            let (axis, (one, other)) = differing.unwrap_or_else(|| (&grid[0], (&before[0], &run.values[0])));
            let problem = format!("{one} and {other} make the same run: accepted are values that differ");
            return Err(Error::Usage(format!("--grid {}: {problem}", axis.field)));
        }
    }
    Ok(())
}

/// Every combination of a value of each axis; the last varies fastest.
fn product(grid: &[Axis]) -> Vec<Vec<String>> {
    grid.iter().fold(vec![vec![]], |points, axis| {
        let with = |point: &Vec<String>| {
            let point = point.clone();
            axis.values.iter().map(move |value| [&point[..], std::slice::from_ref(value)].concat())
        };
        points.iter().flat_map(with).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_meets_every_other() {
        let axes: Vec<Axis> = ["a=[1, 2]", "b=[x, y, z]"].map(|text| text.parse().unwrap()).into();
        let all: Vec<_> = product(&axes).iter().map(|point| point.join("")).collect();
        assert_eq!(all, ["1x", "1y", "1z", "2x", "2y", "2z"]);
        assert_eq!(product(&[]), [vec![""; 0]], "without a grid there is one point");
    }

    #[test]
    fn seeds_are_counted_or_listed() {
        assert_eq!("3".parse(), Ok(Seeds::Number(3)));
        assert_eq!("7, 1,5".parse(), Ok(Seeds::These(vec![7, 1, 5])));
        for wrong in ["0", "", "1,", "1,2,1", "-1", "x"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn too_many_runs_are_a_mistake() {
        let axis = |n: usize| Axis { field: "a".into(), values: vec!["1".into(); n] };
        assert!(check_number(&[axis(100), axis(50)], 2).is_ok());
        let told = check_number(&[axis(100), axis(50)], 3).unwrap_err().to_string();
        assert_eq!(told, "--grid: 15000 runs: accepted are up to 10000");
        assert!(check_number(&vec![axis(1000); 30], 3).is_err());
    }
}
