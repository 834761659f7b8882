// The official Node client against a running network. Usage: node client.mjs '{"endpoint","host","tlsCa","cert","key","mspId","channel","chaincode"}'
// Prints one JSON document with what it saw; any failure is an exit code and a stack on stderr.

import * as crypto from 'node:crypto';
import { readFile } from 'node:fs/promises';

import * as grpc from '@grpc/grpc-js';
import { connect, hash, signers, StatusCode } from '@hyperledger/fabric-gateway';

const at = JSON.parse(process.argv[2]);
const credentials = grpc.credentials.createSsl(await readFile(at.tlsCa));
const client = new grpc.Client(at.endpoint, credentials, { 'grpc.ssl_target_name_override': at.host });
const gateway = connect({
    client,
    identity: { mspId: at.mspId, credentials: await readFile(at.cert) },
    signer: signers.newPrivateKeySigner(crypto.createPrivateKey(await readFile(at.key))),
    hash: hash.sha256,
    evaluateOptions: () => ({ deadline: Date.now() + 15000 }),
    endorseOptions: () => ({ deadline: Date.now() + 15000 }),
    submitOptions: () => ({ deadline: Date.now() + 15000 }),
    commitStatusOptions: () => ({ deadline: Date.now() + 60000 }),
});
const text = (bytes) => Buffer.from(bytes).toString();
const seen = {};
try {
    const network = gateway.getNetwork(at.channel);
    const contract = network.getContract(at.chaincode);

    seen.submitted = text(await contract.submitTransaction('put', 'alpha', 'one'));

    const commit = await contract.submitAsync('put', { arguments: ['alpha', 'two'] });
    const status = await commit.getStatus();
    seen.status = { successful: status.successful, code: status.code, valid: StatusCode.VALID, sameTx: status.transactionId === commit.getTransactionId() };
    seen.evaluated = text(await contract.evaluateTransaction('read', 'alpha'));
    seen.range = JSON.parse(text(await contract.evaluateTransaction('range', 'a', 'b')));
    seen.history = JSON.parse(text(await contract.evaluateTransaction('history', 'alpha'))).map((h) => h.value);
    seen.who = text(await contract.evaluateTransaction('who'));

    const events = await network.getChaincodeEvents(at.chaincode, { startBlock: status.blockNumber });
    try {
        for await (const event of events) {
            seen.event = { name: event.eventName, payload: text(event.payload), sameTx: event.transactionId === status.transactionId };
            break;
        }
    } finally {
        events.close();
    }

    try {
        await contract.evaluateTransaction('read', 'absent');
    } catch (error) {
        seen.error = { name: error.name, code: error.code, details: error.details };
    }
    try {
        await contract.submitTransaction('read', 'absent');
    } catch (error) {
        seen.endorseError = { name: error.name, code: error.code, details: error.details };
    }

    await contract.submit('keep', { transientData: { note: 'kept apart' }, endorsingOrganizations: [at.mspId] });
    seen.kept = text(await contract.evaluate('kept', { endorsingOrganizations: [at.mspId] }));
} finally {
    gateway.close();
    client.close();
}
console.log(JSON.stringify(seen));
