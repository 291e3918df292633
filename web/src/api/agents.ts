/**
 * What the server says of agents on other machines. Must never shape an answer: it is shown as it came.
 */
import { ask } from "./client";

export interface Agent {
  id: string;
  host: string;
  version: string;
  address: string;
  last_ms: number;
  is_alive: boolean;
  buffered_samples: number;
  buffer_bytes: number;
  buffer_bytes_max: number;
  behind_ms: number;
  dropped_samples: number;
  problems: string[];
  asked_for: string[];
}

export interface Agents {
  now_ms: number;
  agents: Agent[];
}

export const agents = (signal?: AbortSignal): Promise<Agents> => ask("/api/v1/agents", signal);
