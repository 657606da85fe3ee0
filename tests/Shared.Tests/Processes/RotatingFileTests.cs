using Distributed.Hosting.Processes;

namespace Distributed.Shared.Tests.Processes;

public sealed class RotatingFileTests
{
    [Fact]
    public void The_files_are_bounded_and_have_the_newest_lines() =>
        Gen.Select(Gen.Int[10, 200], Gen.Int[2, 4], Gen.Int[0, 60].Array[0, 100]).Sample((bytes, files, lengths) =>
        {
            using var folder = new TemporaryFolder();
            List<string> lines = [.. lengths.Select((length, number) => $"{number}:{new string('x', length)}")];
            using (var file = new RotatingFile(folder["a.log"], bytes, files))
                foreach (var line in lines) file.WriteLine(line);
            string[] paths = [.. Enumerable.Range(0, files)
                .Select(number => folder[number == 0 ? "a.log" : $"a.log.{number}"]).Reverse().Where(File.Exists)];
            Assert.Equal(Directory.GetFiles(folder.Path).Order(), paths.Order());
            var kept = paths.SelectMany(File.ReadAllLines).ToList();
            Assert.Equal(lines[^kept.Count..], kept);
            // A line longer than a file gets its own file.
            Assert.All(paths, path => Assert.True(new FileInfo(path).Length <= bytes || File.ReadAllLines(path).Length == 1));
            if (lines.Count > 0) Assert.NotEmpty(kept);
        });

    [Fact]
    public void An_existing_file_is_appended_to()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.log"], "before\n");
        using (var file = new RotatingFile(folder["a.log"])) file.WriteLine("after");
        Assert.Equal("before\nafter\n", File.ReadAllText(folder["a.log"]));
    }

    [Fact]
    public void Lost_lines_are_counted_once_writing_succeeds_again()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["logs"]);
        using var file = new RotatingFile(folder["logs/a.log"], bytes: 8, files: 2);
        file.WriteLine("1234567");
        // The next line needs another file, but the folder is gone.
        Directory.Move(folder["logs"], folder["elsewhere"]);
        file.WriteLine("lost");
        file.WriteLine("lost too");
        Assert.NotNull(file.Failure);
        Directory.Move(folder["elsewhere"], folder["logs"]);
        file.WriteLine("found");
        Assert.Null(file.Failure);
        Assert.Equal("found\n", File.ReadAllText(folder["logs/a.log"]));
        Assert.StartsWith("2 lines could not be written: ", File.ReadAllText(folder["logs/a.log.1"]), StringComparison.Ordinal);
        file.Dispose();
        file.WriteLine("nothing");
    }
}
