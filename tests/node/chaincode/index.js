'use strict';

// A small contract on the official Node contract API. It touches each kind of ledger call that a Node contract makes.

const { Contract } = require('fabric-contract-api');
const { KeyEndorsementPolicy } = require('fabric-shim');

class Notes extends Contract {
    constructor() {
        super('Notes');
    }

    async put(ctx, key, value) {
        await ctx.stub.putState(key, Buffer.from(value));
        ctx.stub.setEvent('NotePut', Buffer.from(key));
        return value;
    }

    async read(ctx, key) {
        const value = await ctx.stub.getState(key);
        if (value.length === 0) {
            throw new Error(`no note ${key}`);
        }
        return value.toString();
    }

    async range(ctx, from, to) {
        const found = [];
        for await (const { key, value } of ctx.stub.getStateByRange(from, to)) {
            found.push({ key, value: value.toString() });
        }
        return JSON.stringify(found);
    }

    async query(ctx, query) {
        const found = [];
        for await (const { key, value } of ctx.stub.getQueryResult(query)) {
            found.push({ key, value: value.toString() });
        }
        return JSON.stringify(found);
    }

    async queryPage(ctx, query, size, bookmark) {
        const { iterator, metadata } = await ctx.stub.getQueryResultWithPagination(query, Number(size), bookmark);
        const keys = [];
        for (let next = await iterator.next(); ; next = await iterator.next()) {
            if (next.value) keys.push(next.value.key);
            if (next.done) break;
        }
        await iterator.close();
        return JSON.stringify({ keys, count: metadata.fetchedRecordsCount, bookmark: metadata.bookmark });
    }

    async rangePage(ctx, from, to, size, bookmark) {
        const { iterator, metadata } = await ctx.stub.getStateByRangeWithPagination(from, to, Number(size), bookmark);
        const keys = [];
        for (let next = await iterator.next(); ; next = await iterator.next()) {
            if (next.value) keys.push(next.value.key);
            if (next.done) break;
        }
        await iterator.close();
        return JSON.stringify({ keys, count: metadata.fetchedRecordsCount, bookmark: metadata.bookmark });
    }

    async remove(ctx, key) {
        await ctx.stub.deleteState(key);
    }

    async label(ctx, type, group, name) {
        await ctx.stub.putState(ctx.stub.createCompositeKey(type, [group, name]), Buffer.from('labelled'));
    }

    async labels(ctx, type, group) {
        const found = [];
        for await (const { key } of ctx.stub.getStateByPartialCompositeKey(type, [group])) {
            found.push(ctx.stub.splitCompositeKey(key).attributes);
        }
        return JSON.stringify(found);
    }

    // From now on, the organisation alone endorses writes of the key.
    async guard(ctx, key, mspId) {
        const policy = new KeyEndorsementPolicy();
        policy.addOrgs('PEER', mspId);
        await ctx.stub.setStateValidationParameter(key, policy.getPolicy());
    }

    async guards(ctx, key) {
        const policy = await ctx.stub.getStateValidationParameter(key);
        return JSON.stringify(new KeyEndorsementPolicy(Buffer.from(policy)).listOrgs());
    }

    async share(ctx, key) {
        await ctx.stub.putPrivateData('pair', key, ctx.stub.getTransient().get('note'));
    }

    async shared(ctx, key) {
        return Buffer.from(await ctx.stub.getPrivateData('pair', key)).toString();
    }

    async sharedHash(ctx, key) {
        return Buffer.from(await ctx.stub.getPrivateDataHash('pair', key)).toString('hex');
    }

    async sharedRange(ctx, from, to) {
        const keys = [];
        for await (const { key } of ctx.stub.getPrivateDataByRange('pair', from, to)) keys.push(key);
        return JSON.stringify(keys);
    }

    async sharedQuery(ctx, query) {
        const keys = [];
        for await (const { key } of ctx.stub.getPrivateDataQueryResult('pair', query)) keys.push(key);
        return JSON.stringify(keys);
    }

    async purge(ctx, key) {
        await ctx.stub.purgePrivateData('pair', key);
    }

    async history(ctx, key) {
        const found = [];
        for await (const entry of ctx.stub.getHistoryForKey(key)) {
            found.push({ txId: entry.txId, value: entry.value.toString(), isDelete: entry.isDelete });
        }
        return JSON.stringify(found);
    }

    async who(ctx) {
        return ctx.clientIdentity.getMSPID();
    }

    async keep(ctx) {
        const body = ctx.stub.getTransient().get('note');
        if (!body) {
            throw new Error('transient field note is missing');
        }
        await ctx.stub.putPrivateData(`_implicit_org_${ctx.stub.getMspID()}`, 'kept', body);
    }

    async kept(ctx) {
        const value = await ctx.stub.getPrivateData(`_implicit_org_${ctx.stub.getMspID()}`, 'kept');
        return Buffer.from(value).toString();
    }
}

module.exports.contracts = [Notes];
