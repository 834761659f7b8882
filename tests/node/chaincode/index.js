'use strict';

// A small contract on the official Node contract API. It touches each kind of ledger call that a Node contract makes.

const { Contract } = require('fabric-contract-api');

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
