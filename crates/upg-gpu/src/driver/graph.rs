//! One CUDA graph: the work of a queue, recorded from the stream, whose kernels can be given other arguments.

use super::context::{Context, words};
use super::libraries::Library;
use super::products::Blas;
use super::queue::{Queue, Run};
use cudarc::driver::sys::{self, CUgraph, CUgraphExec, CUgraphNode, CUresult, CUstream, CUstreamCaptureMode};
use cudarc::driver::sys::{CUDA_KERNEL_NODE_PARAMS, CUstreamCaptureStatus};
use std::ptr;
use std::sync::Arc;
use upg_core::DeviceError;

/// The function that tells the node recorded last. Drivers since CUDA 12.3 have the third, those before the second alone, which headers of CUDA 13
/// don't declare any more.
#[derive(Clone, Copy, Debug)]
pub enum Recorded {
    Third,
    Second(Second),
}

/// `cuStreamGetCaptureInfo_v2`: stream, status, number of the record, graph, nodes that the next one waits for, and how many they are.
type Second = unsafe extern "C" fn(
    CUstream,
    *mut CUstreamCaptureStatus,
    *mut u64,
    *mut CUgraph,
    *mut *const CUgraphNode,
    *mut usize,
) -> CUresult;

impl Recorded {
    /// What this driver has, if it has all that graphs take; else what is missing.
    pub fn find() -> Result<Self, &'static str> {
        if let Some(missing) = Library::lacks_for_graphs() {
            return Err(missing);
        }
        if Library::Driver.has("cuStreamGetCaptureInfo_v3") {
            return Ok(Self::Third);
        }
        // SAFETY: it is of that type.
        let second = unsafe { Library::Driver.function::<Second>("cuStreamGetCaptureInfo_v2") };
        second.map(Self::Second).ok_or("cuStreamGetCaptureInfo_v2")
    }

    /// The node that was recorded last: there is one stream, so it is the only one that the next waits for.
    fn last(self, context: &Context) -> Result<CUgraphNode, DeviceError> {
        let (mut status, mut nodes, mut count) = (CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE, ptr::null(), 0);
        let (stream, none, no_graph) = (context.stream, ptr::null_mut(), ptr::null_mut());
        // SAFETY: the stream is alive; what isn't asked for may be null.
        call(context, "cuStreamGetCaptureInfo", || unsafe {
            match self {
                Self::Third => sys::cuStreamGetCaptureInfo_v3(
                    stream,
                    &mut status,
                    none,
                    no_graph,
                    &mut nodes,
                    ptr::null_mut(),
                    &mut count,
                ),
                Self::Second(function) => function(stream, &mut status, none, no_graph, &mut nodes, &mut count),
            }
        })?;
        match (status, count) {
            // SAFETY: the driver's array has as many elements as it says.
            (CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE, 1) => Ok(unsafe { *nodes }),
            _ => Err(context.unavailable(format!("a record of the stream with {count} nodes at its end"))),
        }
    }
}

/// The work of a queue as the driver keeps it. What it needs stays alive: the runs keep their modules.
#[derive(Debug)]
pub struct Graph {
    context: Arc<Context>,
    /// The nodes belong to it.
    template: CUgraph,
    ready: CUgraphExec,
    runs: Vec<(CUgraphNode, Run)>,
    /// The arguments that the kernels have now.
    values: Vec<u64>,
}

// SAFETY: handles of the driver may be used from any thread, these by one at a time.
unsafe impl Send for Graph {}

impl Graph {
    /// Records the work of a queue instead of doing it.
    pub fn record(
        context: &Arc<Context>,
        recorded: Recorded,
        queue: &Queue,
        blas: &mut Blas,
    ) -> Result<Self, DeviceError> {
        let (template, ready) = (ptr::null_mut(), ptr::null_mut());
        let mut graph =
            Self { context: context.clone(), template, ready, runs: vec![], values: queue.values().to_vec() };
        graph.template(recorded, queue, blas)?;
        let (ready, template) = (&mut graph.ready, graph.template);
        // SAFETY: the template is whole.
        call(context, "cuGraphInstantiateWithFlags", || unsafe {
            sys::cuGraphInstantiateWithFlags(ready, template, 0)
        })?;
        Ok(graph)
    }

    fn template(&mut self, recorded: Recorded, queue: &Queue, blas: &mut Blas) -> Result<(), DeviceError> {
        let (context, stream) = (&*self.context, self.context.stream);
        let here = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        let _waits_for_nobody = context.record();
        // SAFETY: the stream is alive.
        call(context, "cuStreamBeginCapture_v2", || unsafe { sys::cuStreamBeginCapture_v2(stream, here) })?;
        let runs = &mut self.runs;
        let issued = queue.issue(context, blas, |run| {
            runs.push((recorded.last(context)?, run.clone()));
            Ok(())
        });
        let template = &mut self.template;
        // SAFETY: as above. What was begun has to end in any case.
        let ended = call(context, "cuStreamEndCapture", || unsafe { sys::cuStreamEndCapture(stream, template) });
        issued.and(ended)
    }

    /// Gives the kernels the arguments of a queue of the same shape; returns how many had others.
    pub fn update(&mut self, queue: &Queue) -> Result<u64, DeviceError> {
        let mut places = queue.places();
        let mut changed = 0;
        for (node, run) in &self.runs {
            let range = run.arguments.clone();
            if self.values[range.clone()] != queue.values()[range.clone()] {
                self.set(*node, run.node(&mut places[range]))?;
                changed += 1;
            }
        }
        self.values.copy_from_slice(queue.values());
        Ok(changed)
    }

    fn set(&self, node: CUgraphNode, params: CUDA_KERNEL_NODE_PARAMS) -> Result<(), DeviceError> {
        // SAFETY: the node is of the template, which is alive; the driver copies the arguments.
        call(&self.context, "cuGraphExecKernelNodeSetParams_v2", || unsafe {
            sys::cuGraphExecKernelNodeSetParams_v2(self.ready, node, &params)
        })
    }

    /// Issues the work, in the order of the stream.
    pub fn launch(&self) -> Result<(), DeviceError> {
        // SAFETY: graph and stream are alive.
        call(&self.context, "cuGraphLaunch", || unsafe { sys::cuGraphLaunch(self.ready, self.context.stream) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // It may be at work.
        let _ = self.context.wait();
        if !self.ready.is_null() {
            // SAFETY: nobody else has it, here and below.
            let _ = self.context.result(|| unsafe { sys::cuGraphExecDestroy(self.ready) });
        }
        if !self.template.is_null() {
            // SAFETY: as above.
            let _ = self.context.result(|| unsafe { sys::cuGraphDestroy(self.template) });
        }
    }
}

/// Calls a function of the driver; a failure names it.
fn call(context: &Context, name: &str, function: impl FnOnce() -> CUresult) -> Result<(), DeviceError> {
    context.result(function).map_err(|failure| context.unavailable(format!("{name}: {}", words(failure))))
}
