// The official Node client against a running network. Usage: node client.mjs '{"endpoint","host","tlsCa","cert","key","mspId","channel","chaincode"}'
// Prints one JSON document with what it saw; any failure is an exit code and a stack on stderr.

import * as crypto from 'node:crypto';
import { readFile } from 'node:fs/promises';

import * as grpc from '@grpc/grpc-js';
import { checkpointers, connect, hash, signers, StatusCode } from '@hyperledger/fabric-gateway';

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
// Asks a peer that may not have committed yet what another one has, until there is something.
const committed = async (ask) => {
    for (const until = Date.now() + 60000; ; ) {
        const answer = await ask();
        if (answer.length > 0 || Date.now() > until) return answer;
    }
};
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

    // Deletes, composite keys, pages.
    await contract.submitTransaction('put', 'gone', 'soon');
    await contract.submitTransaction('remove', 'gone');
    seen.deletes = JSON.parse(text(await contract.evaluateTransaction('history', 'gone'))).map((h) => h.isDelete);
    for (const [colour, name] of [['red', 'a'], ['red', 'b'], ['blue', 'c']]) {
        await contract.submitTransaction('label', 'colour', colour, name);
    }
    seen.labels = JSON.parse(text(await contract.evaluateTransaction('labels', 'colour', 'red')));
    const page = async (bookmark) => JSON.parse(text(await contract.evaluateTransaction('rangePage', 'j', 'k', '3', bookmark)));
    const first = await page('');
    seen.pages = [first.keys, (await page(first.bookmark)).keys];
    seen.query = JSON.parse(text(await contract.evaluateTransaction('query', '{"selector":{"size":{"$gt":15}},"sort":["size"]}'))).map((n) => n.key);

    // A key with a policy of its own: the gateway plans for it, and a transaction without its endorser is invalid.
    await contract.submitTransaction('put', 'gamma', 'free');
    await contract.submitTransaction('guard', 'gamma', 'Org3MSP');
    seen.guards = JSON.parse(text(await contract.evaluateTransaction('guards', 'gamma')));
    try {
        await contract.submit('put', { arguments: ['gamma', 'unguarded'], endorsingOrganizations: ['Org1MSP', 'Org2MSP'] });
    } catch (error) {
        seen.unguarded = { name: error.name, code: error.code, policy: StatusCode.ENDORSEMENT_POLICY_FAILURE };
    }
    seen.guarded = text(await contract.submitTransaction('put', 'gamma', 'planned'));

    // A collection of two organisations, asked by members and by others.
    const body = '{"size":7}';
    await contract.submit('share', { arguments: ['s1'], transientData: { note: body } });
    seen.shared = text(await committed(() => contract.evaluate('shared', { arguments: ['s1'], endorsingOrganizations: ['Org2MSP'] })));
    seen.sharedRange = JSON.parse(text(await contract.evaluate('sharedRange', { arguments: ['s', 't'], endorsingOrganizations: ['Org1MSP'] })));
    seen.sharedQuery = JSON.parse(text(await contract.evaluate('sharedQuery', { arguments: ['{"selector":{"size":7}}'], endorsingOrganizations: ['Org1MSP'] })));
    const sharedHash = text(await committed(() => contract.evaluate('sharedHash', { arguments: ['s1'], endorsingOrganizations: ['Org3MSP'] })));
    seen.sharedHash = sharedHash === crypto.createHash('sha256').update(body).digest('hex');
    try {
        await contract.evaluate('shared', { arguments: ['s1'], endorsingOrganizations: ['Org3MSP'] });
    } catch (error) {
        seen.notShared = error.details.map((detail) => detail.message);
    }
    await contract.submit('purge', { arguments: ['s1'], endorsingOrganizations: ['Org1MSP', 'Org2MSP'] });
    seen.purged = text(await contract.evaluate('shared', { arguments: ['s1'], endorsingOrganizations: ['Org1MSP'] }));

    // Blocks in all three forms, and events that go on behind a checkpoint.
    const startBlock = status.blockNumber;
    const firstOf = async (stream) => {
        try {
            for await (const item of await stream) return item;
        } finally {
            (await stream).close();
        }
    };
    const whole = await firstOf(network.getBlockEvents({ startBlock }));
    const filtered = await firstOf(network.getFilteredBlockEvents({ startBlock }));
    const apart = await firstOf(network.getBlockAndPrivateDataEvents({ startBlock }));
    seen.blocks = [
        BigInt(whole.getHeader().getNumber()) === startBlock,
        BigInt(filtered.getNumber()) === startBlock && filtered.getFilteredTransactionsList()[0].getTxid() === status.transactionId,
        BigInt(apart.getBlock().getHeader().getNumber()) === startBlock,
    ];
    const checkpoint = checkpointers.inMemory();
    const before = await firstOf(network.getChaincodeEvents(at.chaincode, { startBlock }));
    await checkpoint.checkpointChaincodeEvent(before);
    const after = await firstOf(network.getChaincodeEvents(at.chaincode, { checkpoint }));
    seen.checkpoint = [text(before.payload), text(after.payload)];
} catch (error) {
    console.error(JSON.stringify(error.details));
    throw error;
} finally {
    gateway.close();
    client.close();
}
console.log(JSON.stringify(seen));
