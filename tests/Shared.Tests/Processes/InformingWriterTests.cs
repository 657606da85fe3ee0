using Distributed.Hosting.Processes;

namespace Distributed.Shared.Tests.Processes;

public sealed class InformingWriterTests
{
    [Fact]
    public void Lines_that_cannot_be_written_are_dropped_and_counted_later()
    {
        using var disk = new Disk();
        using var writer = new InformingWriter(disk) { NewLine = "\n" };
        writer.WriteLine("first");
        disk.IsFull = true;
        writer.WriteLine("second");
        writer.Write('t');
        writer.Write("hird\n".ToCharArray());
        writer.Flush();
        disk.IsFull = false;
        writer.WriteLine("fourth");
        writer.WriteLine("fifth");
        Assert.Equal("first\n(2 line(s) could not be written here: No space left on device)\nfourth\nfifth\n", disk.ToString());
    }

    /// <summary>A file that may have no room.</summary>
    private sealed class Disk : StringWriter
    {
        public bool IsFull { get; set; }

        public override void Write(char value) => Write([value]);

        public override void Write(string? value) => Write(value.AsSpan());

        public override void Write(ReadOnlySpan<char> buffer)
        {
            if (IsFull) throw new IOException("No space left on device");
            GetStringBuilder().Append(buffer);
        }

        public override void Flush()
        {
            if (IsFull) throw new IOException("No space left on device");
        }
    }
}
