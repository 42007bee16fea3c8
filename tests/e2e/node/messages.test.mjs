// Anthropic's messages with the official Node SDK, from backends on both wires and from the cache.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { MODEL, QUESTION, REWORDED, anthropic, ask as askChat, client, respond, status } from './mesh.mjs';

const WIRES = ['claude/echo', MODEL];
const TOOL = { name: 'get_weather', input_schema: { type: 'object', properties: {} } };
const bodyOf = (members) => ({
  model: 'claude/echo',
  max_tokens: 64,
  messages: [{ role: 'user', content: QUESTION }],
  ...members,
});

/** The message that answers, with what the cache did. */
async function ask(sdk, members = {}) {
  const { data, response } = await sdk.messages.create(bodyOf(members)).withResponse();
  return { message: data, status: status(response) };
}

/** The message that the SDK puts together from a stream. */
const streamed = (sdk, members = {}) => sdk.messages.stream(bodyOf(members)).finalMessage();

for (const model of WIRES) {
  test(`a question asked twice is answered once, in both forms (${model})`, async () => {
    const sdk = anthropic();
    const [first, second] = [await ask(sdk, { model }), await ask(sdk, { model })];
    assert.deepEqual([first.status, second.status], ['MISS', 'HIT-L1']);
    assert.deepEqual(second.message.content, first.message.content);
    assert.equal((await streamed(sdk, { model })).content[0].text, `You said: ${QUESTION}`);
  });

  test(`a reworded question hits by meaning (${model})`, async () => {
    const sdk = anthropic();
    await ask(sdk, { model });
    const reworded = await ask(sdk, { model, messages: [{ role: 'user', content: REWORDED }] });
    assert.equal(reworded.status, 'HIT-L2');
  });

  test(`an answer of one protocol serves the others (${model})`, async () => {
    const defaultHeaders = { 'x-synapse-namespace': `node.${randomUUID()}` };
    const [sdk, openai] = [anthropic({ defaultHeaders }), client({ defaultHeaders })];
    assert.equal((await ask(sdk, { model })).status, 'MISS');
    assert.equal((await askChat(openai, QUESTION, { model, max_tokens: 64 })).status, 'HIT-L1');
    const kept = await respond(openai, { model, max_output_tokens: 64 });
    assert.deepEqual([kept.status, kept.data.output_text], ['HIT-L1', `You said: ${QUESTION}`]);
  });
}

test('parallel tool calls come in their order, whole and streamed', async () => {
  const sdk = anthropic();
  const members = { model: 'claude/text_and_tools', tools: [TOOL] };
  const whole = (await ask(sdk, members)).message;
  assert.deepEqual(whole.content.map((block) => block.type), ['text', 'tool_use', 'tool_use']);
  assert.deepEqual(whole.content.slice(1).map((block) => block.input.city), ['Bern', 'Oslo']);
  assert.equal(whole.stop_reason, 'tool_use');
  assert.deepEqual((await streamed(sdk, members)).content, whole.content);
});

test("tool calls of OpenAI's wire are blocks", async () => {
  const message = await streamed(anthropic(), { model: 'rich/tools', tools: [TOOL] });
  assert.deepEqual(message.content.map((block) => block.id), ['call_1', 'call_2', 'call_3']);
  assert.deepEqual(message.content[1].input, { city: 'Oslo', unit: 'C' });
});

test('thoughts keep their signature', async () => {
  const sdk = anthropic();
  for (const message of [await streamed(sdk, { model: 'claude/thinking' }), (await ask(sdk, { model: 'claude/thinking' })).message]) {
    assert.deepEqual(message.content.map((block) => block.type), ['thinking', 'text']);
    assert.equal(message.content[0].signature, 'c2lnbmF0dXJl/wIDBA==');
  }
});

for (const [code, kind] of [
  [400, Anthropic.BadRequestError],
  [401, Anthropic.AuthenticationError],
  [404, Anthropic.NotFoundError],
  [429, Anthropic.RateLimitError],
  [500, Anthropic.InternalServerError],
]) {
  test(`a backend's ${code} has its class on both wires`, async () => {
    for (const model of [`claude/fail/${code}`, `fail/${code}`]) {
      await assert.rejects(ask(anthropic(), { model }), (error) => {
        assert.ok(error instanceof kind);
        assert.equal(error.error.type, 'error');
        assert.equal(error.error.error.message, `Provider says ${code}.`);
        return true;
      });
    }
  });
}

test('a wrong key is an authentication error', async () => {
  await assert.rejects(ask(anthropic({ apiKey: 'sk-wrong' })), Anthropic.AuthenticationError);
});

test('a late error ends the stream with an exception', async () => {
  for (const model of ['claude/late-error', 'late-error']) {
    await assert.rejects(streamed(anthropic(), { model }), /Overheated/);
  }
});

test('the SDK tries again as long after as it is told', async () => {
  const messages = [{ role: 'user', content: `Busy in ${randomUUID()}?` }];
  const message = (await ask(anthropic({ maxRetries: 2 }), { model: 'claude/once-busy', messages })).message;
  assert.equal(message.content[0].text, `You said: ${messages[0].content}`);
});

test('leaving a stream breaks nothing for the next question', async () => {
  const sdk = anthropic();
  const stream = sdk.messages.stream(bodyOf({ model: 'claude/slow' }));
  for await (const event of stream) if (event.type === 'content_block_delta') break;
  stream.abort();
  assert.equal((await ask(sdk)).status, 'MISS');
});

test('tokens are counted', async () => {
  const { max_tokens: _, ...question } = bodyOf({});
  assert.equal((await anthropic().messages.countTokens(question)).input_tokens, 42);
});
