namespace Distributed.Coordinator.Runs;

/// <summary>A text file that grows line by line, may be followed while it does, and gone on with later.</summary>
public sealed class LineLog : IDisposable
{
    private readonly StreamWriter _writer;

    private readonly FileStream _file;

    private LineLog(FileStream file) => (_file, _writer) = (file, new(file) { NewLine = "\n" });

    /// <summary>Begins a new file; one that was there is replaced.</summary>
    /// <param name="path">The file.</param>
    /// <param name="header">Its first line; null for none.</param>
    /// <exception cref="IOException">The file cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public static LineLog Create(string path, string? header)
    {
        var log = new LineLog(new(path, FileMode.Create, FileAccess.Write, FileShare.Read));
        if (header is not null) log.Write(header);
        return log;
    }

    /// <summary>Goes on with a file behind its first lines; what follows them is cut off.</summary>
    /// <param name="path">The file; without it, a new one is begun.</param>
    /// <param name="header">Its first line; null for none.</param>
    /// <param name="lines">Lines to keep behind the header, all of which it has.</param>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public static LineLog Continue(string path, string? header, int lines)
    {
        if (!File.Exists(path) || lines == 0) return Create(path, header);
        var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        var left = header is null ? lines : lines + 1;
        while (left > 0 && file.ReadByte() is var next and >= 0)
            if (next == '\n') left--;
        file.SetLength(file.Position);
        return new(file);
    }

    /// <summary>The whole lines behind the header; one that was being written when its writer was killed is left out.</summary>
    public static IReadOnlyList<string> Lines(string path, string? header)
    {
        if (!File.Exists(path)) return [];
        var text = File.ReadAllText(path);
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(header is null ? 0 : 1)];
    }

    /// <summary>Adds a line. It may stay in memory until <see cref="Flush"/> or <see cref="Dispose"/>.</summary>
    public void Write(string line) => _writer.WriteLine(line);

    /// <summary>Hands every line to the operating system.</summary>
    public void Flush() => _writer.Flush();

    /// <summary>Returns when every line is on the disk.</summary>
    public void FlushToDisk()
    {
        _writer.Flush();
        _file.Flush(flushToDisk: true);
    }

    /// <summary>Flushes and closes the file.</summary>
    public void Dispose() => _writer.Dispose();
}
