//! What the fuzz targets share: bytes in, a panic out if something that must hold does not.

pub mod codec;
pub mod ground;
pub mod party;
pub mod planning;
pub mod program;
pub mod session;
pub mod transfer;
pub mod world;
