// What the tests share: the mesh that the environment names, clients of it, and questions.

import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const { SYNAPSE_URL, SYNAPSE_KEY } = process.env;
if (!SYNAPSE_URL || !SYNAPSE_KEY) throw new Error('SYNAPSE_URL and SYNAPSE_KEY must name a running mesh');

export const MODEL = process.env.SYNAPSE_MODEL ?? 'echo';
export const QUESTION = 'What is the capital of France?';
export const REWORDED = 'Can you tell me the capital of France?';

/** A client in a part of the cache of its own. */
export function client(options = {}) {
  const defaultHeaders = { 'x-synapse-namespace': `node.${randomUUID()}` };
  return new OpenAI({ baseURL: `${SYNAPSE_URL}/v1`, apiKey: SYNAPSE_KEY, maxRetries: 0, defaultHeaders, ...options });
}

/** A client of Anthropic's protocol in a part of the cache of its own. */
export function anthropic(options = {}) {
  const defaultHeaders = { 'x-synapse-namespace': `node.${randomUUID()}` };
  return new Anthropic({ baseURL: SYNAPSE_URL, apiKey: SYNAPSE_KEY, maxRetries: 0, defaultHeaders, ...options });
}

/** What the cache did. */
export const status = (response) => response.headers.get('x-synapse-cache-status');

/** The response to a question, with what the cache did. */
export async function respond(openai, members = {}) {
  const { data, response } = await openai.responses.create({ model: MODEL, input: QUESTION, ...members }).withResponse();
  return { data, status: status(response) };
}

/** The answer to one user message, with what the cache did. */
export async function ask(openai, prompt, members = {}, options = {}) {
  const body = { model: MODEL, messages: [{ role: 'user', content: prompt }], ...members };
  const { data, response } = await openai.chat.completions.create(body, options).withResponse();
  return { data, status: status(response), headers: response.headers };
}

/** The chunks of a streamed answer, with what the cache did. */
export async function stream(openai, prompt, members = {}) {
  const { data, status, headers } = await ask(openai, prompt, { ...members, stream: true });
  const chunks = [];
  for await (const chunk of data) chunks.push(chunk);
  return { chunks, status, headers };
}

/** The text that chunks tell for their first choice. */
export const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
