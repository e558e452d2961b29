// Package respond carries intents out. An effect is a lease on a wanted state: it is
// checked, applied, verified, renewed, undone when its time is over or nobody wants it any
// more, and verified again.
//
// The ledger of the leases is the state of this stage and thus part of the transaction that
// the runtime commits: before a call is made, the ledger on the broker says that it was
// started. After a crash the stage therefore knows which calls may have happened, and what
// it does about one depends on what the connector's action can promise
// ([pipeline.Idempotency]): look before doing it again, do it again under the same id, or
// leave it to a person. It is never repeated blindly.
package respond
