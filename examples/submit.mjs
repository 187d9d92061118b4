#!/usr/bin/env node
// Submits records to a block data pool from plain Node.js (18 or newer), without any package.
//
// Written from docs/protocol.md alone; section numbers below are of that document. Nothing here trusts the node that it
// talks to: every receipt is verified against the genesis file.
//
//   node submit.mjs --genesis genesis.json --key system.pem --member aviation --dataset aviation.flights \
//        --url http://127.0.0.1:8000 [--batch 500] [--attempts 8] < flights.ndjson
//   node submit.mjs ... --key-field id            of a dataset whose records have keys; repeat it as the schema names them
//   node submit.mjs ... --offline                 sign only: one JSON line a parcel, nothing is sent
//   node submit.mjs --genesis genesis.json --verify receipt.msgpack --transaction ID [--handovers handovers.json]
//
// One JSON text a line on standard input. Results are JSON lines on standard output, talk goes to standard error.
// Exit codes: 0 all committed, or the receipt is good; 1 refused, or it is not; 2 usage; 3 cannot reach or read.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const WAIT_MS = 15_000;
const REQUEST_PARCELS = 256; // in one request, and
const REQUEST_BYTES = 4 * 1024 * 1024; // their sizes together

class Refused extends Error {}
class Unreachable extends Error {}
class Misused extends Error {}

// --- MessagePack (section 2) -------------------------------------------------------------------------------------------

function encode(value) {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === 'number') return encodeInteger(value);
  if (typeof value === 'string') {
    const data = Buffer.from(value, 'utf8');
    return Buffer.concat([head(data.length, data.length < 32 ? 0xa0 + data.length : null, [0xd9, 0xda, 0xdb]), data]);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(value.length, null, [0xc4, 0xc5, 0xc6]), value]);
  const count = value.length;
  return Buffer.concat([head(count, count < 16 ? 0x90 + count : null, [null, 0xdc, 0xdd]), ...value.map(encode)]);
}

function encodeInteger(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned integer: ${value}`);
  if (value < 0x80) return Buffer.from([value]);
  if (value < 2 ** 32) return head(value, null, [0xcc, 0xcd, 0xce]);
  const data = Buffer.alloc(9, 0xcf);
  data.writeBigUInt64BE(BigInt(value), 1);
  return data;
}

// A number in one byte by itself, or behind the marker for 1, 2 or 4 bytes, whichever is shortest.
function head(number, single, [one, two, four]) {
  if (single !== null) return Buffer.from([single]);
  if (one !== null && number < 0x100) return Buffer.from([one, number]);
  if (number < 0x10000) return Buffer.from([two, number >> 8, number & 0xff]);
  const data = Buffer.alloc(5, four);
  data.writeUInt32BE(number, 1);
  return data;
}

// Decodes one value and requires that it was encoded in the only allowed way.
function decode(data) {
  const [value, end] = decodeAt(data, 0);
  if (end !== data.length || !encode(value).equals(data)) throw new Refused('not canonical MessagePack');
  return value;
}

function decodeAt(data, at) {
  const marker = data[at];
  if (marker === undefined) throw new Refused('MessagePack ends too early');
  const sized = { 0xc4: 1, 0xc5: 2, 0xc6: 4, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4 }[marker];
  const start = at + 1 + (sized ?? 0);
  if (start > data.length) throw new Refused('MessagePack ends too early');
  const number = sized ? Number(BigInt(`0x${data.subarray(at + 1, start).toString('hex')}`)) : 0;
  if (marker === 0xc0) return [null, start];
  if (marker < 0x80) return [marker, start];
  if (marker >= 0xcc && marker <= 0xcf) return [number, start];
  if (marker >= 0xc4 && marker <= 0xc6) return slice(data, start, number, (bytes) => bytes);
  if (marker >= 0xa0 && marker <= 0xbf) return slice(data, start, marker - 0xa0, (bytes) => bytes.toString('utf8'));
  if (marker >= 0xd9 && marker <= 0xdb) return slice(data, start, number, (bytes) => bytes.toString('utf8'));
  if (marker >= 0x90 && marker <= 0x9f) return decodeArray(data, start, marker - 0x90);
  if (marker === 0xdc || marker === 0xdd) return decodeArray(data, start, number);
  throw new Refused(`MessagePack type 0x${marker.toString(16)} does not occur in the protocol`);
}

function slice(data, start, length, convert) {
  if (start + length > data.length) throw new Refused('MessagePack ends too early');
  return [convert(data.subarray(start, start + length)), start + length];
}

function decodeArray(data, start, count) {
  const items = [];
  let at = start;
  for (let place = 0; place < count; place++) {
    const [item, end] = decodeAt(data, at);
    items.push(item);
    at = end;
  }
  return [items, at];
}

// --- Hashes and trees (sections 3 and 4) -------------------------------------------------------------------------------

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const domain = (kind, chainId) => Buffer.concat([Buffer.from(`blockpool/2\0${kind}\0`, 'ascii'), chainId]);
const taggedHash = (kind, chainId, data) => sha256(domain(kind, chainId), data);
const leafHash = (data) => sha256(Buffer.from([0]), data);
const nodeHash = (left, right) => sha256(Buffer.from([1]), left, right);

function merkleRoot(leaves) {
  let level = leaves.map(leafHash);
  if (level.length === 0) return sha256();
  while (level.length > 1) {
    const above = [];
    for (let place = 0; place < level.length; place += 2) {
      above.push(place + 1 < level.length ? nodeHash(level[place], level[place + 1]) : level[place]);
    }
    level = above;
  }
  return level[0];
}

// RFC 9162, section 2.1.3.2: the root that an inclusion proof implies.
function rootOfInclusion(leafData, index, size, proof) {
  if (index >= size) throw new Refused(`leaf ${index} lies outside a tree of ${size}`);
  let result = leafHash(leafData);
  let [position, last] = [index, size - 1];
  for (const sibling of proof) {
    if (last === 0) throw new Refused('inclusion proof is too long');
    if (position % 2 === 1 || position === last) {
      result = nodeHash(sibling, result);
      while (position % 2 === 0 && position !== 0) [position, last] = [position >> 1, last >> 1];
    } else {
      result = nodeHash(result, sibling);
    }
    [position, last] = [position >> 1, last >> 1];
  }
  if (last !== 0) throw new Refused('inclusion proof is too short');
  return result;
}

// --- Genesis and keys (sections 3 and 5) -------------------------------------------------------------------------------

const VERSION = 2;

function readGenesis(path) {
  const content = readFileSync(path);
  const members = JSON.parse(content.toString('utf8')).members.sort((first, second) => (first.name < second.name ? -1 : 1));
  const keys = (field) => members.filter((member) => member[field]).map((member) => [member.name, Buffer.from(member[field], 'base64')]);
  const validators = keys('consensus_key');
  const voting = new Set(validators.map(([name]) => name));
  const witnesses = keys('witness_key').filter(([name]) => !voting.has(name));
  const chainId = sha256(content);
  return { chainId, epochs: [makeEpoch(chainId, 0, encode([validators, witnesses]), VERSION)] };
}

// From which height on who votes, under which version of the protocol (section 8). Each epoch but the first is proven by a
// hand-over, which the one before it has certified.
function makeEpoch(chainId, since, entry, version) {
  const validators = new Map(decode(entry)[0]);
  const quorum = Math.floor((validators.size + Math.floor((validators.size - 1) / 3)) / 2) + 1;
  return { since, validators, quorum, version, validatorsHash: taggedHash('validators', chainId, entry) };
}

function epochAt({ epochs }, height) {
  return epochs.findLast((epoch) => epoch.since <= height);
}

function learnHandover(genesis, { header, certificate, validators }) {
  const [data, entry] = [Buffer.from(header, 'base64'), Buffer.from(validators, 'base64')];
  const [version, height, ...fields] = decode(data);
  const [validatorsHash, nextHash, nextVersion] = fields.slice(8);
  if (height < genesis.epochs.at(-1).since) throw new Refused(`block ${height} hands nothing over`);
  verifyNamed(genesis, version, height, validatorsHash);
  const votes = certificate.votes.map(({ validator, signature }) => [validator, Buffer.from(signature, 'base64')]);
  const hash = taggedHash('block', genesis.chainId, data);
  verifyCertificate(genesis, height, hash, [height, certificate.view, hash, votes]);
  const epoch = makeEpoch(genesis.chainId, height + 1, entry, nextVersion);
  if (!epoch.validatorsHash.equals(nextHash)) throw new Refused('the next validators are not those that the header names');
  genesis.epochs.push(epoch);
}

class Strangers extends Refused {}

function verifyNamed(genesis, version, height, validatorsHash) {
  const epoch = epochAt(genesis, height);
  if (!validatorsHash.equals(epoch.validatorsHash) || version !== epoch.version) throw new Strangers('the block was made by other validators');
  if (version !== VERSION) throw new Refused(`block ${height} follows protocol version ${version}, this program knows ${VERSION}`);
}

const NEUTRAL = Buffer.from([1, ...Buffer.alloc(31)]);

function readKey(path) {
  const secret = createPrivateKey({ key: readFileSync(path), passphrase: process.env.BLOCKPOOL_PASSPHRASE }); // an encrypted one
  if (secret.asymmetricKeyType !== 'ed25519') throw new Refused(`${path} is not an Ed25519 key`);
  const publicKey = Buffer.from(createPublicKey(secret).export({ format: 'jwk' }).x, 'base64url');
  return { secret, id: taggedHash('key', Buffer.alloc(0), publicKey).subarray(0, 16) };
}

function isSigned(publicKey, message, signature) {
  if (signature.subarray(0, 32).equals(NEUTRAL)) return false; // OpenSSL takes it, nodes do not (section 3)
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') }, format: 'jwk' });
  return verify(null, message, key, signature);
}

// --- Parcels (section 6) -----------------------------------------------------------------------------------------------

function makeParcel(genesis, key, options, records) {
  const { chainId } = genesis;
  const root = merkleRoot(records.map((body) => taggedHash('record', chainId, body)));
  const nonce = options.nonce ? Buffer.from(options.nonce, 'hex') : randomBytes(16);
  const expiry = Number(options['expiry-ms']);
  const fields = [chainId, options.member, key.id, nonce, expiry, options.dataset, records.length, root, Buffer.alloc(0), []];
  const names = options['key-field'];
  const header = encode(names.length === 0 ? [2, ...fields] : [9, ...fields, recordKeys(chainId, options.dataset, names, records)]);
  const signature = sign(null, Buffer.concat([domain('transaction-signature', chainId), header]), key.secret);
  return { id: taggedHash('transaction', chainId, header), data: encode([header, signature, encode(records)]) };
}

// The keys of a parcel's records, of which no two may be the same: 24 bytes each.
function recordKeys(chainId, dataset, names, records) {
  const keys = records.map((body) => {
    const record = JSON.parse(body.toString('utf8'));
    return taggedHash('record-key', chainId, encode([dataset, names, names.map((name) => keyValue(record, name))])).subarray(0, 24);
  });
  if (new Set(keys.map((key) => key.toString('hex'))).size < keys.length) throw new Refused('two records of a parcel have the same key');
  return Buffer.concat(keys);
}

// A key field is a text, or an integer in decimal digits; one that JavaScript cannot hold exactly is refused.
function keyValue(record, name) {
  const value = record[name];
  if (typeof value === 'string') return value;
  if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  throw new Refused(`the key field ${name} is no text and no integer up to 2^53: ${value}`);
}

// --- Receipts (sections 8 and 9) ---------------------------------------------------------------------------------------

function verifyReceipt(genesis, transactionId, data) {
  const [header, certificate, outcome, index, proof] = decode(data);
  const [version, height, , , , count, , resultRoot, , , validatorsHash] = decode(header);
  verifyNamed(genesis, version, height, validatorsHash);
  verifyCertificate(genesis, height, taggedHash('block', genesis.chainId, header), certificate);
  if (!rootOfInclusion(outcome, index, count, proof).equals(resultRoot)) throw new Refused('the outcome is not in the block');
  const [id, code, facts, , verdict] = decode(outcome);
  if (!id.equals(transactionId)) throw new Refused('the receipt is for another transaction');
  const decided = verdict === null ? {} : { verdict: verdict[0] }; // what came of a request to read
  const votes = certificate[3].map(([name]) => name);
  return { transaction_id: id.toString('hex'), height, index, code, facts, ...decided, votes };
}

function verifyCertificate(genesis, height, blockHash, [certified, view, hash, votes]) {
  if (certified !== height || !hash.equals(blockHash)) throw new Refused('the certificate is for another block');
  const { validators, quorum } = epochAt(genesis, height);
  if (votes.length < quorum) throw new Refused(`${votes.length} votes are no quorum of ${quorum}`);
  const message = Buffer.concat([domain('commit', genesis.chainId), encode([height, view, blockHash])]);
  let previous = '';
  for (const [name, signature] of votes) {
    if (name <= previous) throw new Refused('votes are not in ascending order of their signers');
    const publicKey = validators.get(name);
    if (!publicKey) throw new Refused(`${name} is no validator`);
    if (!isSigned(publicKey, message, signature)) throw new Refused(`the vote of ${name} does not verify`);
    previous = name;
  }
}

// --- Submission (section 13) -------------------------------------------------------------------------------------------

// Posts parcels in one request, and those without a final answer again; yields each with its receipt as it is committed.
// Sending the same transaction again is harmless: it is committed once.
async function* submit(url, parcels, attempts) {
  let waiting = parcels;
  let [last, pauseMs] = ['', 0];
  for (let attempt = 0; attempt < attempts && waiting.length > 0; attempt++) {
    await pause(pauseMs);
    pauseMs = 100 * 2 ** attempt;
    const committed = new Set();
    try {
      for await (const [place, status, body] of post(url, waiting)) {
        if (status === 200) {
          committed.add(place);
          yield [waiting[place], body];
          continue;
        }
        const problem = JSON.parse(body.toString('utf8'));
        last = `${problem.code}: ${problem.detail}`;
        if (![429, 503, 504].includes(status)) throw new Refused(last);
        pauseMs = 1000; // as Retry-After says
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
      last = error.cause?.message ?? error.message; // the others are sent again
    }
    waiting = waiting.filter((_, place) => !committed.has(place));
  }
  if (waiting.length > 0) throw new Unreachable(`${url}: ${last}`);
}

// One batch: yields [place, status, body] of each transaction as its answer comes, in whatever order that is.
async function* post(url, parcels) {
  const answer = await fetch(`${url}/v1/transactions/batch?timeout_ms=${WAIT_MS}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/msgpack', Accept: 'application/msgpack' },
    body: encode(parcels.map((parcel) => parcel.data)),
    signal: AbortSignal.timeout(2 * WAIT_MS),
  });
  if (answer.status !== 200) {
    const body = Buffer.from(await answer.arrayBuffer());
    for (const place of parcels.keys()) yield [place, answer.status, body];
    return;
  }
  let received = Buffer.alloc(0);
  for await (const piece of answer.body) {
    received = Buffer.concat([received, piece]);
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
      const end = 4 + received.readUInt32BE(0);
      yield decode(received.subarray(4, end));
      received = received.subarray(end);
    }
  }
}

// A receipt's validators may follow from those of the genesis file by hand-overs, which the node has to show.
async function verifyAnswer(genesis, url, id, receipt) {
  try {
    return verifyReceipt(genesis, id, receipt);
  } catch (error) {
    if (!(error instanceof Strangers)) throw error;
  }
  const answer = await fetch(`${url}/v1/handovers?since=${genesis.epochs.at(-1).since}`, { signal: AbortSignal.timeout(WAIT_MS) });
  for (const handover of (await answer.json()).handovers) learnHandover(genesis, handover);
  return verifyReceipt(genesis, id, receipt);
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// The lines of the input, so many at a time.
async function* groups(input, size) {
  let group = [];
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line.trim() === '') continue;
    group.push(Buffer.from(line, 'utf8'));
    if (group.length === size) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

// Signed parcels, as many at a time as one request may carry.
async function* requests(genesis, key, options) {
  let [parcels, bytes] = [[], 0];
  for await (const records of groups(process.stdin, Number(options.batch))) {
    const parcel = { ...makeParcel(genesis, key, options, records), records: records.length };
    if (parcels.length === REQUEST_PARCELS || (parcels.length > 0 && bytes + parcel.data.length > REQUEST_BYTES)) {
      yield parcels;
      [parcels, bytes] = [[], 0];
    }
    parcels.push(parcel);
    bytes += parcel.data.length;
  }
  if (parcels.length > 0) yield parcels;
}

// --- The command -------------------------------------------------------------------------------------------------------

const OPTIONS = {
  genesis: { type: 'string' },
  key: { type: 'string' },
  member: { type: 'string' },
  dataset: { type: 'string' },
  url: { type: 'string' },
  'key-field': { type: 'string', multiple: true, default: [] },
  batch: { type: 'string', default: '500' },
  attempts: { type: 'string', default: '8' },
  'expiry-ms': { type: 'string', default: '0' },
  nonce: { type: 'string' }, // for repeatable results; only for a single parcel
  offline: { type: 'boolean', default: false },
  verify: { type: 'string' },
  handovers: { type: 'string' },
  transaction: { type: 'string' },
};

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({ options: OPTIONS }));
  } catch (error) {
    throw new Misused(error.message);
  }
  const online = values.offline ? [] : ['url'];
  const needed = values.verify ? ['genesis', 'transaction'] : ['genesis', 'key', 'member', 'dataset', ...online];
  const missing = needed.filter((name) => !values[name]);
  if (missing.length > 0) throw new Misused(`missing: --${missing.join(', --')}`);
  if (!(Number(values.batch) >= 1 && Number(values.batch) <= 4096)) throw new Misused('--batch is from 1 to 4096');
  return values;
}

async function main() {
  const options = readOptions();
  const genesis = readGenesis(options.genesis);
  if (options.verify) {
    for (const handover of options.handovers ? JSON.parse(readFileSync(options.handovers, 'utf8')).handovers : []) learnHandover(genesis, handover);
    print(verifyReceipt(genesis, Buffer.from(options.transaction, 'hex'), readFileSync(options.verify)));
    return;
  }
  const key = readKey(options.key);
  let [count, records] = [0, 0];
  for await (const parcels of requests(genesis, key, options)) {
    if (options.offline) {
      for (const { id, data, records } of parcels) print({ transaction_id: id.toString('hex'), records, transaction: data.toString('hex') });
    } else {
      for await (const [parcel, receipt] of submit(options.url, parcels, Number(options.attempts))) {
        print({ records: parcel.records, ...(await verifyAnswer(genesis, options.url, parcel.id, receipt)) });
      }
    }
    count += parcels.length;
    records += parcels.reduce((sum, parcel) => sum + parcel.records, 0);
  }
  console.error(`${records} records in ${count} parcels ${options.offline ? 'signed' : 'committed, receipts verified'}`);
}

const print = (value) => console.log(JSON.stringify(value));

function exitCode(error) {
  if (error instanceof Misused) return 2;
  return error instanceof Unreachable || error.code === 'ENOENT' || error.code === 'EACCES' ? 3 : 1;
}

main().catch((error) => {
  console.error(`submit.mjs: ${error.message}`);
  process.exitCode = exitCode(error);
});
