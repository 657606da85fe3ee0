using System.Globalization;
using System.IO.Compression;
using System.Numerics;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;
using Distributed.Core;

namespace Distributed.Worker.Data;

/// <param name="Line">Number of the row's last line, from 1.</param>
/// <param name="Cells">The values, without quotes and the blanks around them.</param>
/// <param name="IsMisquoted">Whether a quote stands where none is allowed.</param>
internal readonly record struct CsvRow(int Line, string[] Cells, bool IsMisquoted)
{
    /// <summary>The number in a column, from 0. The other parameters are for messages.</summary>
    public T Number<T>(string name, int column, Predicate<T> isAllowed, string allowed) where T : INumber<T> =>
        T.TryParse(Cells[column], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && isAllowed(number)
            ? number
            : throw new DataException($"{name}: line {Line}, column {column + 1} is '{Cells[column]}'; {allowed}.");
}

/// <summary>Reads tables as text in UTF-8: RFC 4180, with any separator. Blank lines are skipped.</summary>
internal static class CsvFile
{
    public const long MaxBytes = 1L << 30;
    public const int MaxCell = 4096;

    /// <summary>Largest number of characters of a row and the blank lines before it.</summary>
    public const int MaxRow = 1 << 20;
    public const int MaxColumns = 16_384;

    public static IEnumerable<CsvRow> Read(string path, string separator)
    {
        using var text = Open(path);
        foreach (var row in Read(text, path, separator)) yield return row;
    }

    public static IEnumerable<CsvRow> Read(TextReader text, string name, string separator)
    {
        var isMisquoted = false;
        var configuration = new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            Delimiter = separator,
            HasHeaderRecord = false,
            IgnoreBlankLines = true,
            TrimOptions = TrimOptions.Trim,
            MaxFieldSize = MaxCell,
            BadDataFound = _ => isMisquoted = true,
        };
        var limited = new RowLimit(text, MaxRow);
        using var parser = new CsvParser(limited, configuration);
        while (Next(parser, name))
        {
            limited.EndRow();
            var cells = parser.Record!;
            if (cells.Length > MaxColumns)
                throw new DataException($"{name}, line {parser.RawRow}: has {cells.Length} values; at most {MaxColumns} are allowed.");
            yield return new(parser.RawRow, cells, isMisquoted);
            isMisquoted = false;
        }
    }

    /// <summary>Reads rows of exactly <paramref name="columns"/> values after some other ones.</summary>
    public static IEnumerable<CsvRow> Read(TextReader text, string name, int columns, int skip = 0)
    {
        foreach (var row in Read(text, name, ",").Skip(skip))
        {
            if (row.Cells.Length != columns)
                throw new DataException($"{name}: line {row.Line} has {row.Cells.Length} values; expected {columns}.");
            yield return row;
        }
    }

    /// <summary>Opens a file within this program that is compressed by gzip.</summary>
    public static StreamReader OpenEmbedded(string resource)
    {
        var stream = typeof(CsvFile).Assembly.GetManifestResourceStream(resource);
        if (stream is null) throw new DataException($"This build lacks the embedded file {resource}.");
        return new(new GZipStream(stream, CompressionMode.Decompress));
    }

    private static StreamReader Open(string path) => UserFile.Read(path, () =>
    {
        var length = new FileInfo(path).Length;
        if (length > MaxBytes) throw new DataException($"{path} has {length} bytes; at most {MaxBytes} are allowed.");
        return new StreamReader(path, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true));
    });

    private static bool Next(CsvParser parser, string name)
    {
        try
        {
            return UserFile.Read(name, parser.Read);
        }
        catch (RowTooLongException error)
        {
            throw Malformed($"a row has more than {MaxRow} characters", error);
        }
        catch (DecoderFallbackException error)
        {
            throw Malformed("this is no text in UTF-8", error);
        }
        catch (CsvHelperException error)
        {
            throw Malformed($"a value has more than {MaxCell} characters; is a quote left open?", error);
        }

        DataException Malformed(string fault, Exception error) =>
            new($"{name}, after line {parser.RawRow}: {fault}{(fault.EndsWith('?') ? "" : ".")}", error);
    }

    /// <summary>Bounds what the parser keeps in memory: a whole row, with an object for each value.</summary>
    private sealed class RowLimit(TextReader text, int limit) : TextReader
    {
        private int _read;

        /// <summary>Starts counting again. What the parser has read of the next row does not count.</summary>
        public void EndRow() => _read = 0;

        public override int Read(char[] buffer, int index, int count)
        {
            var read = text.Read(buffer, index, count);
            _read += read;
            return _read > limit ? throw new RowTooLongException() : read;
        }

        public override int Peek() => text.Peek();

        public override int Read() => throw new NotSupportedException("a table is read by blocks");
    }

    private sealed class RowTooLongException : Exception;
}
