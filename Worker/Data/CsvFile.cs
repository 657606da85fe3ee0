using System.Globalization;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;
using Distributed.Core;

namespace Distributed.Worker.Data;

/// <param name="Line">Its number, from 1; where a value spans several lines, that of the last.</param>
/// <param name="Cells">Its values, without their quotes and the blanks around them.</param>
/// <param name="IsMisquoted">Whether a quote stands where none may.</param>
internal readonly record struct CsvRow(int Line, string[] Cells, bool IsMisquoted);

/// <summary>Tables as text in UTF-8: RFC 4180, with any separator. Blank lines are no rows.</summary>
internal static class CsvFile
{
    /// <summary>Bytes that a file may have.</summary>
    public const long MaxBytes = 1L << 30;

    /// <summary>Characters that a value may have.</summary>
    public const int MaxCell = 4096;

    /// <summary>Characters that a row may have, and blank lines before it. Each value of it becomes an object, so this is checked before it is read.</summary>
    public const int MaxRow = 1 << 20;

    /// <summary>Columns that a table may have.</summary>
    public const int MaxColumns = 16_384;

    /// <exception cref="DataException">The file cannot be read, or is too large.</exception>
    public static IEnumerable<CsvRow> Read(string path, string separator)
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
        using var text = new RowLimit(Open(path), MaxRow);
        using var parser = new CsvParser(text, configuration);
        while (Next(parser, path))
        {
            text.EndRow();
            var cells = parser.Record!;
            if (cells.Length > MaxColumns) throw new DataException($"{path}, line {parser.RawRow}: has {cells.Length} values; at most {MaxColumns} are allowed.");
            yield return new(parser.RawRow, cells, isMisquoted);
            isMisquoted = false;
        }
    }

    private static StreamReader Open(string path)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length > MaxBytes) throw new DataException($"{path} has {length} bytes; at most {MaxBytes} are allowed.");
            return new(path, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be read: {error.Message}", error);
        }
    }

    private static bool Next(CsvParser parser, string path)
    {
        try
        {
            return parser.Read();
        }
        catch (RowTooLongException error)
        {
            throw new DataException($"{path}, behind line {parser.RawRow}: a row has more than {MaxRow} characters.", error);
        }
        catch (DecoderFallbackException error)
        {
            throw new DataException($"{path}, behind line {parser.RawRow}: this is no text in UTF-8.", error);
        }
        catch (CsvHelperException error)
        {
            throw new DataException($"{path}, behind line {parser.RawRow}: a value has more than {MaxCell} characters; is a quote left open?", error);
        }
        catch (IOException error)
        {
            throw new DataException($"{path} cannot be read: {error.Message}", error);
        }
    }
}
