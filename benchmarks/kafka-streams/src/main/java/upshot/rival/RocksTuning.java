package upshot.rival;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.CompressionType;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/** One block cache for all stores of the process, larger write buffers, a filter for new ids. */
public final class RocksTuning implements RocksDBConfigSetter {
    private static final Cache CACHE = new LRUCache(512L << 20);
    private final BloomFilter filter = new BloomFilter(10, false);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(CACHE);
        table.setFilterPolicy(filter);
        table.setCacheIndexAndFilterBlocks(true);
        options.setTableFormatConfig(table);
        options.setCompressionType(CompressionType.NO_COMPRESSION);
        options.setWriteBufferSize(64L << 20);
        options.setMaxWriteBufferNumber(3);
    }

    @Override
    public void close(String store, Options options) {
        filter.close(); // the cache is everybody's
    }
}
