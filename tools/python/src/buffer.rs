//! Memory shared with Python: columns lent out, buffers taken in. The only unsafe code.

use std::ffi::c_int;
use std::ptr;

use arrow_array::Float64Array;
use arrow_array::Int64Array;
use pyo3::buffer::ElementType;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Numbers that Python reads in place: `numpy.frombuffer(column, "float64")`, `memoryview`.
///
/// The buffer is bytes, read-only.
#[pyclass(frozen, module = "tracker._tracker")]
#[derive(Debug)]
pub(crate) struct Column(Held);

#[derive(Debug)]
enum Held {
    /// `[points]`, 64-bit.
    Int(Int64Array),
    /// `[points]`, 64-bit.
    Float(Float64Array),
}

impl From<Int64Array> for Column {
    fn from(values: Int64Array) -> Self {
        Self(Held::Int(values))
    }
}

impl From<Float64Array> for Column {
    fn from(values: Float64Array) -> Self {
        Self(Held::Float(values))
    }
}

impl Column {
    pub(crate) fn numpy_type(&self) -> &'static str {
        match self.0 {
            Held::Int(_) => "int64",
            Held::Float(_) => "float64",
        }
    }

    /// What `memoryview.cast` takes.
    pub(crate) fn code(&self) -> &'static str {
        match self.0 {
            Held::Int(_) => "q",
            Held::Float(_) => "d",
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Held::Int(values) => values.values().len(),
            Held::Float(values) => values.values().len(),
        }
    }
}

#[pymethods]
impl Column {
    fn __len__(&self) -> usize {
        self.len()
    }

    #[expect(unsafe_code, reason = "a buffer is a pointer by its interface")]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view to fill"));
        }
        let (start, count) = match &slf.get().0 {
            Held::Int(values) => (values.values().as_ptr().cast::<u8>(), values.values().len()),
            Held::Float(values) => (values.values().as_ptr().cast::<u8>(), values.values().len()),
        };
        let bytes = isize::try_from(count * 8).unwrap_or(isize::MAX);
        // SAFETY: the arrays are never changed and live as long as `slf`, which the view holds on
        // to; the view is the caller's to fill. Read-only, so the pointer is never written through.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast_mut().cast(), bytes, 1, flags)
        };
        if filled == 0 {
            Ok(())
        } else {
            // SAFETY: as above; a view that was not filled holds nothing.
            unsafe { (*view).obj = ptr::null_mut() };
            Err(PyErr::fetch(slf.py()))
        }
    }
}

/// One-dimensional numbers of somebody else, in place.
pub(crate) struct Numbers {
    buffer: PyUntypedBuffer,
    of: Of,
}

/// What the numbers are.
#[derive(Clone, Copy)]
enum Of {
    F64,
    F32,
    I64,
    I32,
}

impl Numbers {
    /// Looks into an object that has a buffer of 64- or 32-bit numbers; none if it has no such.
    ///
    /// # Errors
    /// `TypeError` for numbers of more than one dimension.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let Ok(buffer) = PyUntypedBuffer::get(object) else {
            return Ok(None);
        };
        if buffer.dimensions() != 1 {
            let dimensions = buffer.dimensions();
            let why = format!("has {dimensions} dimensions, want 1: one number a point");
            return Err(PyTypeError::new_err(why));
        }
        let is_native = !matches!(buffer.format().to_bytes().first(), Some(b'>' | b'!'));
        let of = match ElementType::from_format(buffer.format()) {
            ElementType::Float { bytes: 8 } => Of::F64,
            ElementType::Float { bytes: 4 } => Of::F32,
            ElementType::SignedInteger { bytes: 8 } => Of::I64,
            ElementType::SignedInteger { bytes: 4 } => Of::I32,
            _ => return Ok(None),
        };
        let is_plain = is_native && buffer.is_c_contiguous() && cfg!(target_endian = "little");
        let is_aligned = buffer
            .buf_ptr()
            .addr()
            .is_multiple_of(buffer.item_size().max(1));
        Ok((is_plain && is_aligned).then_some(Self { buffer, of }))
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.buffer.item_count()
    }

    /// Copies the numbers from `start` on into `out`, as the nearest `f64`.
    pub(crate) fn read_floats(&self, start: usize, out: &mut [f64]) {
        match self.of {
            Of::F64 => self.each(start, out, |value: f64| value),
            Of::F32 => self.each(start, out, |value: f32| f64::from(value)),
            Of::I64 => self.each(start, out, |value: i64| value as f64),
            Of::I32 => self.each(start, out, |value: i32| f64::from(value)),
        }
    }

    /// Copies the whole numbers from `start` on into `out`; says false if they are none.
    pub(crate) fn read_ints(&self, start: usize, out: &mut [i64]) -> bool {
        match self.of {
            Of::I64 => self.each(start, out, |value: i64| value),
            Of::I32 => self.each(start, out, |value: i32| i64::from(value)),
            Of::F64 | Of::F32 => return false,
        }
        true
    }

    /// Whether these are whole numbers.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.of, Of::I64 | Of::I32)
    }

    #[expect(unsafe_code, reason = "a buffer is a pointer by its interface")]
    fn each<T: Copy, U>(&self, start: usize, out: &mut [U], turn: impl Fn(T) -> U) {
        let base = self.buffer.buf_ptr().cast::<T>().cast_const();
        let count = out.len().min(self.len().saturating_sub(start));
        for (at, out) in out.iter_mut().take(count).enumerate() {
            // SAFETY: within the `len` aligned items of a contiguous buffer of `T`, which the
            // export keeps alive and in place. Another thread may write to it meanwhile, as to any
            // array that was handed over: hence a volatile read, of a number that any bits are.
            *out = turn(unsafe { ptr::read_volatile(base.add(start + at)) });
        }
    }
}
