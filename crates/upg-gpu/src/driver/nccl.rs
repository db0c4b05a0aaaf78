//! Messages between the cards of several processes, by NCCL.
//!
//! Nothing here blocks: a call of a communicator that doesn't is asked about until it is done, and so is the stream, so that a process whose partner is
//! gone can leave. Messages only are NCCL's, no sums: what is added in which order is this crate's.
//!
//! They have a stream of their own, of the highest priority, which waits for the work that was asked for before; that stream is never waited for by the one of work.

use super::Driver;
use super::context::Context;
use super::libraries::Library;
use super::stream::Stream;
use crate::gpu::{Link, Links, Message};
use crate::links::Wanted;
use cudarc::driver::sys::{self, CUevent, CUevent_flags, CUstream, CUstream_flags};
use cudarc::nccl::sys::{ncclComm_t, ncclConfig_t, ncclDataType_t, ncclUniqueId};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::Arc;
use upg_core::DeviceError;
use upg_core::device::Wait;

/// What NCCL's functions return: 0, 7 where the call is under way, or a failure. Versions differ in how many of these there are.
type Outcome = c_uint;
const DONE: Outcome = 0;
const UNDER_WAY: Outcome = 7;

/// The functions that are called, by cudarc's types.
#[derive(Clone, Copy)]
struct Functions {
    version: unsafe extern "C" fn(*mut c_int) -> Outcome,
    unique_id: unsafe extern "C" fn(*mut ncclUniqueId) -> Outcome,
    init: unsafe extern "C" fn(*mut ncclComm_t, c_int, ncclUniqueId, c_int, *mut ncclConfig_t) -> Outcome,
    state: unsafe extern "C" fn(ncclComm_t, *mut Outcome) -> Outcome,
    abort: unsafe extern "C" fn(ncclComm_t) -> Outcome,
    group_start: unsafe extern "C" fn() -> Outcome,
    group_end: unsafe extern "C" fn() -> Outcome,
    send: unsafe extern "C" fn(*const c_void, usize, ncclDataType_t, c_int, ncclComm_t, CUstream) -> Outcome,
    receive: unsafe extern "C" fn(*mut c_void, usize, ncclDataType_t, c_int, ncclComm_t, CUstream) -> Outcome,
    error_string: unsafe extern "C" fn(Outcome) -> *const c_char,
    last_error: unsafe extern "C" fn(ncclComm_t) -> *const c_char,
}

impl Functions {
    /// Those of the library, or what is missing in words.
    fn find() -> Result<Self, String> {
        Library::Nccl.find().map_err(|missing| missing.to_string())?;
        Self::load().ok_or_else(|| "NCCL has lost a function".into())
    }

    fn load() -> Option<Self> {
        let library = Library::Nccl;
        // SAFETY: these are the functions' types, here and in the declaration above.
        unsafe {
            Some(Self {
                version: library.function("ncclGetVersion")?,
                unique_id: library.function("ncclGetUniqueId")?,
                init: library.function("ncclCommInitRankConfig")?,
                state: library.function("ncclCommGetAsyncError")?,
                abort: library.function("ncclCommAbort")?,
                group_start: library.function("ncclGroupStart")?,
                group_end: library.function("ncclGroupEnd")?,
                send: library.function("ncclSend")?,
                receive: library.function("ncclRecv")?,
                error_string: library.function("ncclGetErrorString")?,
                last_error: library.function("ncclGetLastError")?,
            })
        }
    }

    /// The version, e.g. `NCCL 2.27.3`.
    fn words(&self) -> String {
        let mut version = 0;
        // SAFETY: it writes a number.
        unsafe { (self.version)(&mut version) };
        format!("NCCL {}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    }

    /// A failure in NCCL's words.
    fn told(&self, outcome: Outcome, comm: ncclComm_t) -> String {
        // SAFETY: it returns texts that last.
        let [what, why] = unsafe { [(self.error_string)(outcome), (self.last_error)(comm)] }.map(|text| {
            // SAFETY: null, or a text.
            if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
        });
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        if why.is_empty() { format!("NCCL: {what}") } else { format!("NCCL: {what}: {why}") }
    }
}

impl Links for Driver {
    fn check(&self) -> Result<(), DeviceError> {
        self.links.check().map_err(|reason| self.context.unavailable(reason))?;
        Functions::find().map(drop).map_err(|missing| self.context.unavailable(missing))
    }

    fn invite(&self) -> Result<Vec<u8>, DeviceError> {
        let functions = Functions::find().map_err(|missing| self.context.unavailable(missing))?;
        let mut id = ncclUniqueId { internal: [0; 128] };
        let outcome = self.context.current(|| {
            // SAFETY: it writes the 128 bytes.
            unsafe { (functions.unique_id)(&mut id) }
        })?;
        if outcome != DONE {
            return Err(self.context.unavailable(functions.told(outcome, ptr::null_mut())));
        }
        Ok(self.links.invite(id.internal.iter().flat_map(|byte| byte.to_ne_bytes())))
    }

    fn join(&self, invitation: &[u8], rank: usize, size: usize, wait: Wait<'_>) -> Result<Box<dyn Link>, DeviceError> {
        let functions = Functions::find().map_err(|missing| self.context.unavailable(missing))?;
        let (wanted, invitation) = Wanted::invited(invitation);
        let mut id = ncclUniqueId { internal: [0; 128] };
        id.internal.iter_mut().zip(invitation).for_each(|(to, &byte)| *to = c_char::from_ne_bytes([byte]));
        let way = Way::new(self.context.clone())?;
        let mut cards = Cards { functions, comm: ptr::null_mut(), size, wanted, stream: self.stream.clone(), way };
        let (comm, mut config) = (&mut cards.comm, does_not_block());
        let outcome = self.context.current(|| {
            // SAFETY: the communicator is written where it stays until it is given up; the configuration is copied.
            unsafe { (functions.init)(comm, size as c_int, id, rank as c_int, &mut config) }
        })?;
        match cards.begun(outcome, wait) {
            Ok(()) => Ok(Box::new(cards)),
            Err(DeviceError::Lost { reason, .. }) => Err(self.context.unavailable(reason)),
            Err(other) => Err(other),
        }
    }
}

/// A communicator whose calls return at once, all else as NCCL has it.
fn does_not_block() -> ncclConfig_t {
    // As NCCL_CONFIG_INITIALIZER of version 2.17 has it, which younger ones complete.
    const NOT_SET: c_int = c_int::MIN;
    ncclConfig_t {
        size: size_of::<ncclConfig_t>(),
        magic: 0xcafe_beef,
        version: 21_700,
        blocking: 0,
        cgaClusterSize: NOT_SET,
        minCTAs: NOT_SET,
        maxCTAs: NOT_SET,
        netName: ptr::null(),
        splitShare: NOT_SET,
    }
}

/// Bytes of a message that are worth one of its own: ten microseconds at 50 GB/s, several times what it takes to begin it.
const WORTH: usize = 1 << 19;
/// Bytes of a piece that is sent before the rest of a gradient is there, at least.
const LEAST: usize = 1 << 22;

/// The stream of messages, and the event by which it waits for work.
struct Way {
    context: Arc<Context>,
    stream: CUstream,
    event: CUevent,
}

impl Way {
    fn new(context: Arc<Context>) -> Result<Self, DeviceError> {
        let mut way = Self { context, stream: ptr::null_mut(), event: ptr::null_mut() };
        let (stream, event) = (&mut way.stream, &mut way.event);
        let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as c_uint;
        // SAFETY: the context is current, here and below. The driver takes the priority nearest to the one that it gets.
        way.context.call(|| unsafe { sys::cuStreamCreateWithPriority(stream, flags, c_int::MIN) })?;
        let flags = CUevent_flags::CU_EVENT_DISABLE_TIMING as c_uint;
        // SAFETY: as above.
        way.context.call(|| unsafe { sys::cuEventCreate(event, flags) })?;
        Ok(way)
    }

    /// Has what is asked for on it come after all work so far.
    fn after_work(&self) -> Result<(), DeviceError> {
        let (work, stream, event) = (self.context.stream, self.stream, self.event);
        // SAFETY: streams and event are there.
        self.context.call(|| unsafe { sys::cuEventRecord(event, work) })?;
        // SAFETY: as above.
        self.context.call(|| unsafe { sys::cuStreamWaitEvent(stream, event, 0) })
    }

    /// Whether all messages have arrived.
    fn is_idle(&self) -> Result<bool, DeviceError> {
        self.context.has_done(self.stream)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let (stream, event) = (self.stream, self.event);
        // What is under way ends with the communicator, and the driver gives the stream up then.
        if !event.is_null() {
            // SAFETY: nobody else has it.
            let _ = self.context.result(|| unsafe { sys::cuEventDestroy_v2(event) });
        }
        if !stream.is_null() {
            // SAFETY: as above.
            let _ = self.context.result(|| unsafe { sys::cuStreamDestroy_v2(stream) });
        }
    }
}

/// A card among those of other processes.
struct Cards {
    functions: Functions,
    comm: ncclComm_t,
    size: usize,
    wanted: Wanted,
    stream: Arc<Stream>,
    way: Way,
}

// SAFETY: a communicator may be used from any thread, by one at a time, in which the card's context is current.
unsafe impl Send for Cards {}

impl Cards {
    /// Waits until a call that has returned this is done.
    fn begun(&self, outcome: Outcome, wait: Wait<'_>) -> Result<(), DeviceError> {
        let mut state = outcome;
        if state == UNDER_WAY {
            wait(&mut || {
                state = self.state();
                state != UNDER_WAY
            })?;
        }
        self.checked(state)
    }

    /// What became of the calls so far.
    fn state(&self) -> Outcome {
        let mut state = DONE;
        // SAFETY: the communicator is there.
        let asked = unsafe { (self.functions.state)(self.comm, &mut state) };
        if asked == DONE { state } else { asked }
    }

    fn checked(&self, outcome: Outcome) -> Result<(), DeviceError> {
        match outcome {
            DONE | UNDER_WAY => Ok(()),
            failed => Err(self.way.context.lost(self.functions.told(failed, self.comm))),
        }
    }

    /// Begins to send and to receive; the first failure, if there is one.
    fn start(&self, messages: &[Message]) -> Outcome {
        let (comm, stream, bytes) = (self.comm, self.way.stream, ncclDataType_t::ncclUint8);
        let send = |&Message { other, send: (at, length), .. }: &Message| {
            // SAFETY: the memory is this card's, and stays until all has arrived, here and below.
            unsafe { (self.functions.send)(at.0 as *const c_void, length, bytes, other as c_int, comm, stream) }
        };
        let receive = |&Message { other, receive: (at, length), .. }: &Message| {
            // SAFETY: as above.
            unsafe { (self.functions.receive)(at.0 as *mut c_void, length, bytes, other as c_int, comm, stream) }
        };
        let sent = messages.iter().filter(|message| message.send.1 > 0).map(send);
        let received = messages.iter().filter(|message| message.receive.1 > 0).map(receive);
        sent.chain(received).find(|&outcome| outcome != DONE && outcome != UNDER_WAY).unwrap_or(DONE)
    }
}

impl Link for Cards {
    fn begin(&mut self, messages: &[Message], wait: Wait<'_>) -> Result<(), DeviceError> {
        self.stream.issue()?;
        self.way.after_work()?;
        let mut started = DONE;
        let ended = self.way.context.current(|| {
            // SAFETY: what is begun is ended.
            unsafe { (self.functions.group_start)() };
            started = self.start(messages);
            // SAFETY: as above.
            unsafe { (self.functions.group_end)() }
        })?;
        self.checked(started)?;
        self.begun(ended, wait)
    }

    fn arrived(&mut self, wait: Wait<'_>) -> Result<(), DeviceError> {
        self.stream.issue()?; // the work that messages come after, and what goes on beside them
        let mut outcome = Ok(());
        wait(&mut || {
            let idle = self.checked(self.state()).and_then(|()| self.way.is_idle());
            let is_over = !matches!(idle, Ok(false));
            outcome = idle.map(drop);
            is_over
        })?;
        outcome
    }

    fn piece(&self) -> usize {
        self.wanted.piece(LEAST.max(self.size * WORTH))
    }

    fn words(&self) -> String {
        self.wanted.words(self.functions.words())
    }
}

impl Drop for Cards {
    fn drop(&mut self) {
        if !self.comm.is_null() {
            // Whatever is under way ends. To destroy it properly would wait for the others, which may be gone.
            // SAFETY: the communicator is there, and isn't used again.
            let _ = self.way.context.current(|| unsafe { (self.functions.abort)(self.comm) });
        }
    }
}
