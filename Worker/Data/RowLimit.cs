namespace Distributed.Worker.Data;

/// <summary>A text of rows whose reader may take no more than so many characters for one of them: it keeps a whole row in memory, with an object for each value.</summary>
/// <param name="limit">Characters that may be read for a row.</param>
internal sealed class RowLimit(TextReader text, int limit) : TextReader
{
    private int _read;

    /// <summary>A row is read; what its reader has of the next one already does not count.</summary>
    public void EndRow() => _read = 0;

    public override int Read(char[] buffer, int index, int count)
    {
        var read = text.Read(buffer, index, count);
        _read += read;
        return _read > limit ? throw new RowTooLongException() : read;
    }

    public override int Peek() => text.Peek();

    public override int Read() => throw new NotSupportedException("a table is read by blocks");

    protected override void Dispose(bool disposing)
    {
        if (disposing) text.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A row has more characters than any may have.</summary>
internal sealed class RowTooLongException : Exception;
