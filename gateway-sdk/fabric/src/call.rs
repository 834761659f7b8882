//! One unary call with a deadline, which the server learns too.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::status::RpcFailure;

/// Runs `call` with `message`, for at most `deadline`. Dropping the future cancels the call.
pub(crate) async fn unary<T, R, F, Fut>(
    what: &str,
    deadline: Duration,
    message: T,
    call: F,
) -> Result<R, RpcFailure>
where
    F: FnOnce(Request<T>) -> Fut,
    Fut: Future<Output = Result<Response<R>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    match tokio::time::timeout(deadline, call(request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(RpcFailure::deadline(what)),
    }
}
