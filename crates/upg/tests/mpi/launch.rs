//! Starts the program on several processes, and finds them.

use crate::support::Experiment;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest time for what takes seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a launcher may stay when its processes have ended.
const ALONE: Duration = Duration::from_secs(10);
/// Most processes of a test.
const MOST: usize = 4;

fn launcher() -> Command {
    let mut command = Command::new(std::env::var_os("UPG_MPIRUN").unwrap_or_else(|| "mpirun".into()));
    // In the words of Open MPI 4 and 5; MPICH doesn't ask. Containers often don't let processes look at each other's memory.
    for (name, value) in [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
        ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        ("OMPI_MCA_hwloc_base_binding_policy", "none"),
        ("OMPI_MCA_btl_vader_single_copy_mechanism", "none"),
        ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
    ] {
        command.env(name, value);
    }
    command
}

/// Whether the launcher kills all processes at once where one is killed, as MPICH's Hydra does: nobody is left to speak.
pub fn leaves_nobody() -> bool {
    let version = launcher().arg("--version").output().expect("mpirun starts").stdout;
    String::from_utf8_lossy(&version).contains("HYDRA")
}

/// `upg` with these arguments on so many processes.
pub fn on(processes: usize, arguments: &[&str]) -> Command {
    let mut command = launcher();
    command.args(["-n", &processes.to_string(), env!("CARGO_BIN_EXE_upg")]).args(arguments);
    command
}

/// A process for each of these folders and arguments of `upg`.
pub fn in_folders(processes: &[(&str, &str)]) -> Command {
    let mut command = launcher();
    for (number, (folder, arguments)) in processes.iter().enumerate() {
        let script = format!("cd '{folder}' && exec '{}' {arguments}", env!("CARGO_BIN_EXE_upg"));
        command.args((number > 0).then_some(":")).args(["-n", "1", "sh", "-c", &script]);
    }
    command
}

/// `upg train` of an experiment on so many processes, one thread each.
pub fn train(experiment: &Experiment, processes: usize, run: &str, extra: &[&str]) -> Command {
    let (config, out) = (experiment.argument("config.ron"), experiment.argument(run));
    let mut command = on(processes, &["train", "--config", &config, "--out", &out, "--threads", "1"]);
    command.args(extra);
    command
}

/// The same, successfully.
#[track_caller]
pub fn trained(experiment: &Experiment, processes: usize, run: &str, extra: &[&str]) {
    let output = train(experiment, processes, run, extra).output().unwrap();
    assert!(output.status.success(), "{processes} processes: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the program said, without what the launcher adds.
pub fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours = |line: &&str| ["error: ", "stopped by ", "warning: "].iter().any(|begin| line.starts_with(begin));
    text.lines().filter(ours).map(str::to_owned).collect()
}

/// A launched run, ended with the test.
pub struct Launched {
    launcher: Child,
    /// The folder of the run, by which its processes are known.
    run: String,
}

impl Launched {
    pub fn start(mut command: Command, run: &Path) -> Self {
        let launcher = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mpirun starts");
        Self { launcher, run: run.to_str().unwrap().to_owned() }
    }

    /// The process of this rank.
    pub fn process(&self, rank: usize) -> u32 {
        self.find(rank).unwrap_or_else(|| panic!("no process of rank {rank}"))
    }

    /// Whether the process of this rank is there and answers SIGTERM itself.
    pub fn answers(&self, rank: usize) -> bool {
        let Some(pid) = self.find(rank) else { return false };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        u64::from_str_radix(caught.trim(), 16).unwrap() >> (15 - 1) & 1 == 1
    }

    fn find(&self, rank: usize) -> Option<u32> {
        let is_it = |pid: &u32| {
            let told = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let has = |text: Vec<u8>, wanted: &str| text.split(|&byte| byte == 0).any(|part| part == wanted.as_bytes());
            let ranks = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"].map(|name| format!("{name}={rank}"));
            has(told("cmdline"), &self.run) && ranks.iter().any(|rank| has(told("environ"), rank))
        };
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        all.into_iter().find(is_it)
    }

    /// Sends a signal to a rank.
    pub fn send(&self, signal: &str, rank: usize) {
        self.send_to(signal, &[rank]);
    }

    /// Sends a signal to several ranks at once.
    pub fn send_to(&self, signal: &str, ranks: &[usize]) {
        let processes = ranks.iter().map(|&rank| self.process(rank).to_string());
        assert!(Command::new("kill").arg(format!("-{signal}")).args(processes).status().unwrap().success());
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait_until(&mut self, so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            if self.launcher.try_wait().unwrap().is_some() {
                panic!("it has ended: {}", self.errors());
            }
            assert!(begun.elapsed() < PATIENCE, "waited too long");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end, which has to come. A launcher that stays although all of its processes have ended, as that of Open MPI 4.1 now and then does, is
    /// ended.
    #[track_caller]
    pub fn end(mut self) -> Output {
        let (begun, mut lived) = (Instant::now(), Instant::now());
        let status = loop {
            if let Some(status) = self.launcher.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it hangs");
            if (0..MOST).any(|rank| self.find(rank).is_some()) {
                lived = Instant::now();
            } else if lived.elapsed() > ALONE {
                self.launcher.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Output { status, stdout: vec![], stderr: self.errors().into_bytes() }
    }

    fn errors(&mut self) -> String {
        let mut stderr = vec![];
        self.launcher.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        String::from_utf8_lossy(&stderr).into_owned()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}
