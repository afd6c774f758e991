CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    number_of_items integer NOT NULL CHECK (number_of_items > 0),
    total_amount numeric NOT NULL CHECK (total_amount >= 0),
    message_id text NOT NULL UNIQUE,
    received_at timestamptz NOT NULL DEFAULT now()
);
