-- title: Transactions of one stage that read the same offsets: there must be none
-- unit: offsets
-- empty: every record was read once
-- columns: stage LowCardinality(String), in_topic LowCardinality(String), in_partition Int32, from_offset Int64, to_offset Int64, before Int64
SELECT
    stage,
    in_topic,
    in_partition,
    from_offset,
    to_offset,
    before
FROM
(
    SELECT
        stage, in_topic, in_partition, from_offset, to_offset,
        lagInFrame(to_offset, 1, from_offset) OVER (PARTITION BY stage, in_topic, in_partition ORDER BY from_offset, to_offset
                                                    ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
    FROM riposte.ledger
)
WHERE before > from_offset
ORDER BY stage, in_topic, in_partition, from_offset;
