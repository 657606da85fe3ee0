using System.Globalization;
using System.Text;

namespace Distributed.Hosting.Processes;

/// <summary>A writer of text that is only for people. Lines that cannot be written, for example on a full disk, are dropped and counted;
/// the count is written once writing succeeds again. A failure never ends the process.</summary>
internal sealed class InformingWriter(TextWriter inner) : TextWriter(CultureInfo.InvariantCulture)
{
    private bool _isFailing;
    private long _lines;
    private string _reason = "";

    public override Encoding Encoding => inner.Encoding;

    /// <summary>Replaces standard output and standard error, for a process whose result does not go there.</summary>
    public static void Install()
    {
        // .NET synchronizes the threads that write to them.
        Console.SetOut(new InformingWriter(Console.Out));
        Console.SetError(new InformingWriter(Console.Error));
    }

    public override void Write(char value) => Write([value]);
    public override void Write(string? value) => Write(value.AsSpan());
    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Write(ReadOnlySpan<char> buffer)
    {
        try
        {
            if (_isFailing)
            {
                inner.Write($"({_lines} line(s) could not be written here: {_reason}){NewLine}");
                (_isFailing, _lines) = (false, 0);
            }
            inner.Write(buffer);
        }
        catch (IOException error)
        {
            (_isFailing, _reason) = (true, error.Message);
            _lines += buffer.Count('\n');
        }
    }

    public override void Flush()
    {
        try
        {
            inner.Flush();
        }
        catch (IOException error)
        {
            (_isFailing, _reason) = (true, error.Message);
        }
    }
}
