// OpenAI's responses with the official Node SDK, from backends on both wires and from the cache.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { MODEL, QUESTION, client, respond } from './mesh.mjs';

const TOOL = {
  type: 'function',
  name: 'get_weather',
  strict: true,
  parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
};

for (const model of [MODEL, 'claude/echo']) {
  test(`a question asked twice is answered once, in both forms (${model})`, async () => {
    const openai = client();
    const [first, second] = [await respond(openai, { model }), await respond(openai, { model })];
    assert.deepEqual([first.status, second.status], ['MISS', 'HIT-L1']);
    assert.equal(second.data.output_text, `You said: ${QUESTION}`);
    const streamed = await openai.responses.stream({ model, input: QUESTION }).finalResponse();
    assert.equal(streamed.output[0].content[0].text, first.data.output_text);
    assert.equal(streamed.status, 'completed');
  });
}

for (const model of ['rich/tools', 'claude/tools']) {
  test(`parallel calls are items in their order (${model})`, async () => {
    const openai = client();
    const members = { model, tools: [TOOL] };
    const whole = (await respond(openai, members)).data;
    const streamed = await openai.responses.stream({ input: QUESTION, ...members }).finalResponse();
    for (const response of [whole, streamed]) {
      assert.deepEqual(response.output.map((item) => item.type), ['function_call', 'function_call', 'function_call']);
      assert.equal(JSON.parse(response.output[1].arguments).city, 'Oslo');
    }
  });
}

test('the text arrives in pieces that add up', async () => {
  const pieces = [];
  for await (const event of await client().responses.create({ model: 'claude/text', input: QUESTION, stream: true })) {
    if (event.type === 'response.output_text.delta') pieces.push(event.delta);
    if (event.type === 'response.completed') assert.equal(pieces.join(''), event.response.output[0].content[0].text);
  }
  assert.ok(pieces.length > 3);
});

for (const [code, kind] of [
  [400, OpenAI.BadRequestError],
  [404, OpenAI.NotFoundError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
]) {
  test(`a backend's ${code} has its class on both wires`, async () => {
    for (const model of [`claude/fail/${code}`, `fail/${code}`]) {
      await assert.rejects(respond(client(), { model }), (error) => error instanceof kind && error.status === code);
    }
  });
}

test('what needs a state is refused', async () => {
  await assert.rejects(respond(client(), { previous_response_id: 'resp_1' }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'previous_response_id');
    return true;
  });
});

test('leaving a stream breaks nothing for the next question', async () => {
  const openai = client();
  const left = await openai.responses.create({ model: 'slow', input: 'Leave early.', stream: true });
  for await (const event of left) if (event.type === 'response.output_text.delta') break;
  assert.equal((await respond(openai)).status, 'MISS');
});
