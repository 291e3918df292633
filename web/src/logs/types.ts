/** Logs as the server gives them. Must never hold anything that the server does not send. */

export type Level = "" | "trace" | "debug" | "info" | "warn" | "error" | "fatal";

export interface LogRecord {
  time_ns: string;
  time: string;
  level: Level;
  service: string;
  host: string;
  body: string;
  body_bytes?: number;
  pattern: string | null;
  trace_id: string | null;
  span_id: string | null;
  attributes: Record<string, string>;
  resource: Record<string, string>;
}

export interface LogPage {
  records: LogRecord[];
  next: string | null;
  partial: boolean;
}

export interface LogHistogram {
  start_ms: number;
  end_ms: number;
  steps: number;
  counts: Record<string, number[]>;
  total: number;
  partial: boolean;
}

export interface LogField {
  name: string;
  records: number;
  distinct: number;
  values: { value: string; count: number }[];
}

export interface LogFields {
  looked_at: number;
  fields: LogField[];
}

export interface LogPattern {
  id: string;
  service: string;
  host: string;
  text: string;
  example: string;
  level: Level;
  first_ms: number;
  last_ms: number;
  count: number;
  per_minute: number[];
  is_service_new?: boolean;
  expected?: number;
  now_per_10m?: number;
  before_per_10m?: number;
}

export interface LogPatterns {
  known: number;
  new: LogPattern[];
  vanished: LogPattern[];
  changed: LogPattern[];
  most: LogPattern[];
}

export interface BulletEvent {
  kind: "log" | "span" | "change" | "exemplar";
  time: string;
  time_ns: string;
  log?: LogRecord;
  span?: {
    trace_id: string;
    span_id: string;
    service: string;
    host: string;
    name: string;
    duration_ns: number;
    status: string;
  };
  change?: { id: string; kind: string; title: string; service: string; host: string; link: string };
  exemplar?: { series: string; value: number };
}

export interface Bullet {
  id: string;
  events: BulletEvent[];
  cut: boolean;
  partial: boolean;
}
