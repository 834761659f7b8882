//! The model's programs as a chaincode, and on the ledger's simulator.

use std::sync::Arc;

use fabric_chaincode_host::InProcess;
use fabric_contract_api::{
    Chaincode, ContractHandler, ContractMetadata, KeyPolicy, Ledger, LedgerError, Principal, Response, Role,
};
use fabric_ledger::{SimulationResults, Simulator};

use super::wire::Signers;
use super::{Op, Rule};

/// The function of the chaincode that runs a program, given as JSON.
pub const RUN: &str = "run";
/// Organisations by their place in the model.
pub const ORGS: [&str; 3] = ["Org1MSP", "Org2MSP", "Org3MSP"];

/// A chaincode that runs programs.
pub fn chaincode() -> InProcess {
    let chaincode = Chaincode::new().contract(Programs);
    InProcess::new(fabric_contract_api::in_process(Arc::new(chaincode)))
}

struct Programs;

impl ContractHandler for Programs {
    fn name(&self) -> &str {
        "programs"
    }

    fn metadata(&self) -> ContractMetadata {
        ContractMetadata {
            name: self.name().to_owned(),
            description: String::new(),
            transactions: Vec::new(),
        }
    }

    fn invoke(&self, ledger: &dyn Ledger, _: &str, args: &[Vec<u8>]) -> Response {
        let failed = |message: String| Response {
            status: 500,
            message,
            payload: Vec::new(),
        };
        let program = args.first().map(|arg| serde_json::from_slice::<Vec<Op>>(arg));
        let Some(Ok(program)) = program else {
            return failed("the argument is no program".to_owned());
        };
        match program.iter().try_for_each(|op| step(ledger, op)) {
            Ok(()) => Response::success(Vec::new()),
            Err(error) => failed(error.to_string()),
        }
    }
}

fn step(ledger: &dyn Ledger, op: &Op) -> Result<(), LedgerError> {
    match op {
        Op::Get(key) => ledger.get_state(key).map(drop),
        Op::Put(key, value) => ledger.put_state(key, value),
        Op::Delete(key) => ledger.del_state(key),
        Op::Range(start, end, limit) => ledger
            .range(start, end)?
            .take(*limit)
            .try_for_each(|row| row.map(drop)),
        Op::SetRule(key, rule) => ledger.set_key_policy(key, &key_policy(rule)),
        Op::GetPrivate(collection, key) => ledger.private_get(collection, key).map(drop),
        Op::GetHash(collection, key) => ledger.private_hash(collection, key).map(drop),
        Op::PutPrivate(collection, key, value) => ledger.private_put(collection, key, value),
        Op::DeletePrivate(collection, key) => ledger.private_del(collection, key),
        Op::Purge(collection, key) => ledger.private_purge(collection, key),
        Op::SetPrivateRule(collection, key, rule) => {
            ledger.set_private_key_policy(collection, key, &key_policy(rule))
        }
        Op::Call(chaincode, program) => {
            let program = serde_json::to_vec(program).expect("programs are JSON");
            let response = ledger.invoke_chaincode(chaincode, "", &[RUN.as_bytes().to_vec(), program])?;
            assert!(response.is_success(), "{}", response.message);
            Ok(())
        }
    }
}

fn key_policy(rule: &Rule) -> KeyPolicy {
    let principals = rule.of.iter().map(|org| Principal::new(ORGS[*org], Role::Peer));
    KeyPolicy {
        required: u32::try_from(rule.need).expect("few organisations"),
        principals: principals.collect(),
    }
}

/// The results of a program on a simulator; `None` when a private value is not there.
///
/// # Panics
/// When the simulator fails otherwise.
pub fn simulate(
    mut simulator: Simulator,
    chaincode: &str,
    program: &[Op],
    signers: &Signers,
) -> Option<SimulationResults> {
    match run(&mut simulator, chaincode, program, signers) {
        Ok(()) => Some(simulator.finish().expect("finishes")),
        Err(fabric_ledger::LedgerError::PrivateVersionMismatch { .. }) => None,
        Err(error) => panic!("the simulator refuses {program:?}: {error}"),
    }
}

fn run(
    simulator: &mut Simulator,
    on: &str,
    program: &[Op],
    signers: &Signers,
) -> Result<(), fabric_ledger::LedgerError> {
    let metadata = |rule: &Rule| [("VALIDATION_PARAMETER".to_owned(), signers.policy(rule))].into();
    for op in program {
        match op {
            Op::Get(key) => drop(simulator.state(on, key)?),
            Op::Put(key, value) => simulator.put_state(on, key, value.clone())?,
            Op::Delete(key) => simulator.delete_state(on, key)?,
            Op::Range(start, end, limit) => {
                let cursor = simulator.open_range(on, start, end)?;
                let mut read = 0;
                while read < *limit && simulator.next(cursor)?.is_some() {
                    read += 1;
                }
            }
            Op::SetRule(key, rule) => simulator.put_metadata(on, key, metadata(rule))?,
            Op::GetPrivate(collection, key) => drop(simulator.private(on, collection, key)?),
            Op::GetHash(collection, key) => drop(simulator.private_hash(on, collection, key)?),
            Op::PutPrivate(collection, key, value) => {
                simulator.put_private(on, collection, key, value.clone())?
            }
            Op::DeletePrivate(collection, key) => simulator.delete_private(on, collection, key)?,
            Op::Purge(collection, key) => simulator.purge_private(on, collection, key)?,
            Op::SetPrivateRule(collection, key, rule) => {
                simulator.put_private_metadata(on, collection, key, metadata(rule))?;
            }
            Op::Call(other, program) => run(simulator, other, program, signers)?,
        }
    }
    Ok(())
}
