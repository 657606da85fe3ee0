using System.CommandLine;
using Distributed.Hosting.Processes;

namespace Distributed.Shared.Tests.Processes;

public sealed class SettingsTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.yaml");

    [Fact]
    public void The_command_line_overrides_the_environment_which_overrides_the_file()
    {
        // Which of the three sources give a value, and which of two names the file.
        Gen.Select(Gen.Bool, Gen.Bool, Gen.Bool, Gen.Bool).Sample((onLine, inEnvironment, inFile, byVariable) =>
        {
            File.WriteAllText(_file, inFile ? "link-port: 1\n" : "name: x\n");
            Dictionary<string, string> environment = [];
            if (inEnvironment) environment["DISTRIBUTED_LINK_PORT"] = "2";
            if (byVariable) environment["DISTRIBUTED_CONFIG"] = _file;
            string[] arguments = ["go",
                .. onLine ? (string[])["--link-port", "3"] : [], .. byVariable ? (string[])[] : ["--config", _file]];
            var settings = Of(arguments, environment);
            Assert.Empty(settings.Errors);
            Assert.Empty(settings.Warnings);
            Assert.Equal(onLine ? 3 : inEnvironment ? 2 : inFile ? 1 : 0, settings.Parsed.GetValue<int>("--link-port"));
        }, iter: 64, threads: 1);
    }

    [Fact]
    public void A_file_on_the_command_line_replaces_that_of_the_environment()
    {
        File.WriteAllText(_file, "link-port: 1");
        var settings = Of(["go", "--config", _file], new() { ["DISTRIBUTED_CONFIG"] = "/no/such/file" });
        Assert.Equal(1, settings.Parsed.GetValue<int>("--link-port"));
    }

    [Fact]
    public void Flags_lists_and_texts_are_unchanged()
    {
        File.WriteAllText(_file, """
            flag: true
            set: [a=1, "b={c: [1, 2]}", "--d"]
            name: --x=y z
            """);
        var parsed = Of(["go", "--config", _file, "word"], []).Parsed;
        Assert.Empty(parsed.Errors);
        Assert.True(parsed.GetValue<bool>("--flag"));
        Assert.Equal(["a=1", "b={c: [1, 2]}", "--d"], parsed.GetRequiredValue<string[]>("--set"));
        Assert.Equal("--x=y z", parsed.GetValue<string>("--name"));
        Assert.Equal("word", parsed.GetValue<string>("WORD"));
    }

    [Fact]
    public void A_list_in_the_environment_has_one_entry_per_line()
    {
        File.WriteAllText(_file, "set: [f=1]");
        Dictionary<string, string> environment = new() { ["DISTRIBUTED_SET"] = "a=1\n b=2, 3 \n\n", ["DISTRIBUTED_CONFIG"] = _file };
        Assert.Equal(["a=1", "b=2, 3"], Of(["go"], environment).Parsed.GetRequiredValue<string[]>("--set"));
        Assert.Equal(["c=1"], Of(["go", "--set", "c=1"], environment).Parsed.GetRequiredValue<string[]>("--set"));
    }

    [Fact]
    public void A_required_option_may_come_from_anywhere()
    {
        Assert.Equal("--to by DISTRIBUTED_TO", Of(["send"], new() { ["DISTRIBUTED_TO"] = "x" }).Origins);
        Assert.Empty(Of(["send"], new() { ["DISTRIBUTED_TO"] = "x" }).Errors);
        Assert.Equal(["Option '--to' is required."], Of(["send"], []).Errors);
        Assert.Null(Of(["send", "--to", "x"], []).Origins);
    }

    [Fact]
    public void An_empty_variable_counts_as_absent() =>
        Assert.Empty(Of(["go"], new() { ["DISTRIBUTED_LINK_PORT"] = "", ["DISTRIBUTED_CONFIG"] = "" }).Errors);

    [Fact]
    public void Arguments_after_two_dashes_are_unchanged()
    {
        var parsed = Of(["go", "--", "--word"], new() { ["DISTRIBUTED_LINK_PORT"] = "2" }).Parsed;
        Assert.Equal(("--word", 2), (parsed.GetValue<string>("WORD"), parsed.GetValue<int>("--link-port")));
    }

    [Fact]
    public void Help_needs_no_settings() =>
        Assert.Empty(Of(["go", "--help"], new() { ["DISTRIBUTED_LINK_PORT"] = "many", ["DISTRIBUTED_CONFIG"] = "/no/such/file" }).Errors);

    [Theory]
    [InlineData("many", "Cannot parse argument 'many' for option '--link-port' as expected type 'System.Int32'.")]
    [InlineData("70000", "--link-port is 70000; allowed: 0 to 65535")]
    public void A_bad_value_is_reported_with_its_source(string value, string message)
    {
        Assert.Equal([$"DISTRIBUTED_LINK_PORT: {message}"], Of(["go"], new() { ["DISTRIBUTED_LINK_PORT"] = value }).Errors);
        File.WriteAllText(_file, $"flag: false\nlink-port: {value}\n");
        Assert.Equal([$"{_file}:2: {message}"], Of(["go", "--config", _file], []).Errors);
        Assert.Equal([message], Of(["go", "--link-port", value], []).Errors);
    }

    [Theory]
    [InlineData("link-prot: 1", ":1: link-prot is not an option; did you mean link-port?")]
    [InlineData("name: x\nzzz: 1", ":2: zzz is not an option; allowed: flag, link-port, name, set, to")]
    [InlineData("config: other.yaml", ":1: config is not an option; allowed: flag, link-port, name, set, to")]
    [InlineData("help: true", ":1: help is not an option; allowed: flag, link-port, name, set, to")]
    [InlineData("--name: x", ":1: --name is not an option; allowed: flag, link-port, name, set, to")]
    [InlineData("name:", ":1: name is empty; give it a value, or leave the key out")]
    [InlineData("name: {a: 1}", ":1: name is a section of keys; allowed: one value")]
    [InlineData("link-port: [1, 2]", ":1: link-port is a list of 2 entries; allowed: one value")]
    [InlineData("set: [[1]]", ":1: an entry of set is a list of 1 entry; allowed: a value")]
    [InlineData("name: x\nname: y", ":2: name is given again, first at FILE:1; allowed: once")]
    [InlineData("- name", ":1: the settings are a list of 1 entry; allowed: keys with values, such as \"link-port: 4054\"")]
    public void A_malformed_file_is_refused_with_its_line(string yaml, string message)
    {
        File.WriteAllText(_file, yaml);
        var error = Assert.Throws<SettingsException>(() => Of(["go", "--config", _file], []));
        Assert.Equal(_file + message.Replace("FILE", _file, StringComparison.Ordinal), error.Message);
    }

    [Fact]
    public void A_missing_or_long_file_is_refused()
    {
        Assert.Equal("/no/such/file does not exist; give a settings file, such as \"link-port: 4054\"",
            Assert.Throws<SettingsException>(() => Of(["go", "--config", "/no/such/file"], [])).Message);
        File.WriteAllText(_file, new string('#', 70_000));
        Assert.Contains("has 70000 bytes",
            Assert.Throws<SettingsException>(() => Of(["go", "--config", _file], [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_file_gives_nothing()
    {
        File.WriteAllText(_file, "# nothing yet\n");
        Assert.Null(Of(["go", "--config", _file], []).Origins);
    }

    [Fact]
    public void An_option_of_another_command_is_ignored()
    {
        File.WriteAllText(_file, "to: x\nlink-port: 1");
        var settings = Of(["go", "--config", _file], new() { ["DISTRIBUTED_TO"] = "y" });
        Assert.Empty(settings.Errors);
        Assert.Empty(settings.Warnings);
        Assert.Equal($"--link-port by {_file}:2", settings.Origins);
    }

    [Fact]
    public void A_variable_that_resembles_an_option_causes_a_warning()
    {
        Dictionary<string, string> environment = new()
        {
            ["DISTRIBUTED_LINK_PROT"] = "1",
            ["DISTRIBUTED_ZZZ"] = "1",
            ["DISTRIBUTED_DATA"] = "/data",
            ["DISTRIBUTED_TESTS"] = "thorough",
            ["PATH"] = "/bin",
        };
        string[] expected =
        [
            "DISTRIBUTED_LINK_PROT is not an option of this program; did you mean DISTRIBUTED_LINK_PORT?",
            "DISTRIBUTED_ZZZ is not an option of this program",
        ];
        Assert.Equal(expected, Of(["go"], environment).Warnings);
    }

    [Fact]
    public void A_child_process_gets_no_settings()
    {
        Dictionary<string, string?> environment =
            new() { ["DISTRIBUTED_LINK_PORT"] = "1", ["DISTRIBUTED_CONFIG"] = "x", ["DISTRIBUTED_DATA"] = "/data", ["PATH"] = "/bin" };
        SettingNames.RemoveFrom(environment);
        Assert.Equal(["DISTRIBUTED_DATA", "PATH"], environment.Keys.Order(StringComparer.Ordinal));
    }

    public void Dispose() => File.Delete(_file);

    private static Settings Of(string[] arguments, Dictionary<string, string> environment)
    {
        var port = new Option<int>("--link-port");
        port.Within(0, 65535);
        var go = new Command("go")
        {
            port, new Option<string?>("--name"),
                new Option<bool>("--flag"), new Option<string[]>("--set") { AllowMultipleArgumentsPerToken = false },
            new Argument<string?>("WORD") { Arity = ArgumentArity.ZeroOrOne },
        };
        return Settings.Of(new RootCommand { go, new Command("send") { new Option<string>("--to") { Required = true } } },
            arguments, environment);
    }
}
